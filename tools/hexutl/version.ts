/** etcdutl's lines, then Hexad's own. */
export function versionText(): string {
  return ['etcdutl version: 3.7.1', 'API version: 3.7', 'Hexad Version: 0.1.0'].join('\n');
}
