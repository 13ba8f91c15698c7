import { type CatalogueError, Errors } from '../../../libs/errors';
import {
  type DowngradeRequest,
  DowngradeRequest_DowngradeAction as Action,
  writeDowngradeResponse,
} from '../../../proto/gen/etcdserverpb';
import type { ResponseHeaders } from '../headers';
import { type ReplicatedState, setDowngradeTarget } from '../state/state';
import { answered, refused, type ApplyOutcome } from './applier';

/** etcd takes a whole version, and one without its last number. */
const VERSION = /^(\d{1,9})\.(\d{1,9})(\.\d{1,9}(-[\w.-]+)?(\+[\w.-]+)?)?$/;

type DowngradeState = Pick<ReplicatedState, 'clusterVersion' | 'downgradeTarget'>;

/** Why the cluster can't begin to go back to this version; undefined: it can. The order is etcd's. */
export function refusalOfDowngrade(state: DowngradeState, version: string): CatalogueError | undefined {
  const target = minorOf(version);
  if (target === undefined) return Errors.WrongDowngradeVersionFormat;
  const current = minorOf(state.clusterVersion);
  if (current === undefined) return Errors.ClusterVersionUnavailable;
  if (target.major !== current.major || target.minor !== current.minor - 1) return Errors.InvalidDowngradeTargetVersion;
  return state.downgradeTarget === '' ? undefined : Errors.DowngradeInProcess;
}

/** Begins or ends a downgrade. It is the leader's storage that changes the cluster's version then (cluster-version.ts). */
export function applyDowngrade(
  state: ReplicatedState,
  headers: ResponseHeaders,
  { action, version }: DowngradeRequest,
  term: number,
): ApplyOutcome {
  const { downgradeTarget, store } = state;
  if (action === Action.ENABLE) {
    const refusal = refusalOfDowngrade(state, version);
    if (refusal !== undefined) return refused(refusal);
    const target = minorOf(version);
    setDowngradeTarget(state, `${target?.major}.${target?.minor}.0`);
  } else if (action !== Action.CANCEL) return refused(Errors.MalformedRequest);
  else if (downgradeTarget === '') return refused(Errors.NoInflightDowngrade);
  else setDowngradeTarget(state, '');
  return answered(headers.response(writeDowngradeResponse, downgradeAnswer(state), store.revision, term));
}

/** What every answer tells: the cluster's version without its last number. */
export function downgradeAnswer({ clusterVersion }: DowngradeState): { readonly version: string } {
  const { major, minor } = minorOf(clusterVersion) ?? {};
  return { version: major === undefined ? clusterVersion : `${major}.${minor}` };
}

function minorOf(version: string): { readonly major: number; readonly minor: number } | undefined {
  const [, major, minor] = VERSION.exec(version) ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}
