import type { RaisedAlarm } from '../state/alarms';
import type { Lease } from '../state/leases';
import type { MemberRecord } from '../state/members';
import type { AssignedToken } from '../state/tokens';

/** Changes of the tables beside the keys, reported in apply order to whoever feeds them to other processes. */
export interface FeedChanges {
  leaseChanged(lease: Lease): void;
  leaseRevoked(id: bigint): void;
  authChanged(enabled: boolean, revision: number): void;
  tokenAssigned(token: AssignedToken): void;
  tokensRevoked(user: string | undefined): void;
  memberChanged(member: MemberRecord): void;
  memberRemoved(id: bigint): void;
  alarmsChanged(alarms: readonly RaisedAlarm[]): void;
  clusterVersionChanged(version: string): void;
}
