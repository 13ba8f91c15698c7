import { begunIdentity } from '../../libs/bootstrap';
import type { MemberConfig } from '../../libs/config';

/**
 * The same configuration with the ids under which this data directory was begun, if it was: as in etcd the initial cluster
 * and its token count at the first start only, and may have changed since. The WAL and the store check the ids they find.
 */
export function withRecordedIdentity(config: MemberConfig): MemberConfig {
  return { ...config, ...begunIdentity(config.paths.memberDir) };
}
