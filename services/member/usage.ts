import { environmentName, FLAGS, type Flag } from '../../libs/config';
import { ETCD_VERSION } from '../../libs/limits';

export { ETCD_VERSION };
export const HEXAD_VERSION = '0.1.0';

/** etcd's lines, which tools parse, then Hexad's own. */
export function versionText(): string {
  return [
    `etcd Version: ${ETCD_VERSION}`,
    `Git SHA: hexad-${HEXAD_VERSION}`,
    `Go Version: none (Node.js ${process.version})`,
    `Go OS/Arch: ${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
    `Hexad Version: ${HEXAD_VERSION}`,
  ].join('\n');
}

export function usageText(): string {
  const groups = [...new Set(FLAGS.map((flag) => flag.group))].filter((group) => group !== '');
  return [
    'Usage:',
    '',
    '  hexad [flags]                      run a member',
    '  hexad --config-file FILE           run a member as the file says; other flags are ignored',
    '  hexad process NAME [flags]         run one process of a member alone (raft, storage, watch, lease, auth, proxy)',
    '  hexad health NAME [flags]          ask that process whether it serves; exit code 1: it does not',
    '  hexad gateway start [flags]        one port in front of several proxies; see hexad gateway start --help',
    '  hexad --version                    print the version',
    '  hexad -h | --help                  print this text',
    '',
    'Each flag has an environment variable: ETCD_ and its name in upper case with underscores (HEXAD_ for the last group).',
    ...groups.flatMap((group) => ['', `${group}:`, ...FLAGS.filter((flag) => flag.group === group).flatMap(flagText)]),
  ].join('\n');
}

function flagText(flag: Flag): string[] {
  const initial = flag.initial === '' ? '' : ` '${flag.initial}'`;
  const state = flag.status === 'used' ? '' : flag.status === 'harmless' ? ' (no effect yet)' : ' (not supported yet)';
  const env = flag.own ? ` [${environmentName(flag)}]` : '';
  return [`  --${flag.name}${initial}`, `        ${flag.help}${state}${env}`];
}
