import type { Store } from '../../../libs/mvcc';
import type { AuthState } from '../../../libs/rbac';
import { IDENTITY_KEY, type Identity, identityOf, identityRow } from '../../../libs/state-rows';
import { AlarmTable } from './alarms';
import { openAuthState } from './auth-rows';
import { LeaseTable } from './leases';
import { MemberTable } from './members';
import { TokenTable } from './tokens';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const CLUSTER_VERSION = encoder.encode('clusterVersion');
const DOWNGRADE_TARGET = encoder.encode('downgradeTarget');

/** Everything the log has decided: the store's keys and the small tables beside them. Changed only by apply. */
export interface ReplicatedState {
  readonly store: Store;
  readonly auth: AuthState;
  readonly leases: LeaseTable;
  readonly alarms: AlarmTable;
  readonly members: MemberTable;
  readonly tokens: TokenTable;
  /** Empty until decided. */
  clusterVersion: string;
  /** The version that the cluster is going back to, `3.6.0`; empty: it is not. */
  downgradeTarget: string;
}

export function openState(store: Store): ReplicatedState {
  const text = (key: Uint8Array): string => decoder.decode(store.table('meta').get(key));
  return {
    store,
    auth: openAuthState(store),
    leases: new LeaseTable(store.table('lease'), store.table('leaseKeys')),
    alarms: new AlarmTable(store.table('alarm')),
    members: new MemberTable(store.table('members'), store.table('membersRemoved')),
    tokens: new TokenTable(),
    clusterVersion: text(CLUSTER_VERSION),
    downgradeTarget: text(DOWNGRADE_TARGET),
  };
}

export function setClusterVersion(state: ReplicatedState, version: string): void {
  state.clusterVersion = version;
  state.store.table('meta').put(CLUSTER_VERSION, encoder.encode(version));
}

/** Empty: no downgrade is under way. */
export function setDowngradeTarget(state: ReplicatedState, target: string): void {
  state.downgradeTarget = target;
  const meta = state.store.table('meta');
  if (target === '') meta.delete(DOWNGRADE_TARGET);
  else meta.put(DOWNGRADE_TARGET, encoder.encode(target));
}

/** Whose store this is; undefined for one that nothing was applied to yet. */
export function storedIdentity(store: Store): Identity | undefined {
  const row = store.table('meta').get(IDENTITY_KEY);
  return row === undefined ? undefined : identityOf(row);
}

/** Becomes durable with the next entry. */
export function saveIdentity(store: Store, identity: Identity): void {
  store.ownTable('meta').put(IDENTITY_KEY, identityRow(identity));
}
