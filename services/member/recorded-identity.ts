import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MemberConfig } from '../../libs/config';

/**
 * The same configuration with the ids under which this data directory was begun, if it was: as in etcd the initial cluster
 * and its token count at the first start only, and may have changed since. The WAL and the store check the ids they find.
 */
export function withRecordedIdentity(config: MemberConfig): MemberConfig {
  const note = join(config.paths.memberDir, 'wal-begun');
  if (!existsSync(note)) return config;
  const [, memberId, clusterId] = /^member ([0-9a-f]+) of cluster ([0-9a-f]+)$/m.exec(readFileSync(note, 'utf8')) ?? [];
  return memberId === undefined || clusterId === undefined ? config : { ...config, memberId, clusterId };
}
