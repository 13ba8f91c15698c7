import { isLowerVersion } from '../../libs/limits';

/** etcd's MinClusterVersion: what a cluster calls itself while it does not know the version of every member. */
const MIN_CLUSTER_VERSION = '3.0.0';
/** A leader that has just been elected hears of its followers' versions within milliseconds, if they are up. */
const PATIENCE_MS = 2_000;

export interface VersionInput {
  /** As the log has it; empty: not decided. */
  readonly current: string;
  /** What the cluster is going back to; empty: it is not. */
  readonly downgradeTarget: string;
  readonly members: readonly bigint[];
  readonly versionOf: (id: bigint) => string | undefined;
  /** How long this member has led. */
  readonly ledMs: number;
}

/**
 * The cluster version that the leader should propose, as etcd decides it: the lowest version of all members once all are
 * known, never lower than it was unless the cluster is being downgraded; the lowest there is while one is not. undefined: it
 * stays as it is, or is not yet known.
 */
export function nextClusterVersion(input: VersionInput): string | undefined {
  const { current, downgradeTarget, members, versionOf, ledMs } = input;
  const versions = members.map((id) => clusterVersionOf(versionOf(id)));
  const isUnknown = versions.length === 0 || versions.includes(undefined);
  const lowest = isUnknown ? undefined : versions.reduce((low, version) => (isLower(version, low) ? version : low));
  if (current === '') return lowest ?? (ledMs >= PATIENCE_MS ? MIN_CLUSTER_VERSION : undefined);
  if (downgradeTarget !== '') return isUnknown || !isLower(downgradeTarget, current) ? undefined : downgradeTarget;
  return lowest !== undefined && isLower(current, lowest) ? lowest : undefined;
}

/** Whether every member is known to have gone back to this version. */
export function areAllAt(target: string, { members, versionOf }: Pick<VersionInput, 'members' | 'versionOf'>): boolean {
  return members.length > 0 && members.every((id) => clusterVersionOf(versionOf(id)) === target);
}

/** `3.7.1` → `3.7.0`; undefined for what is no version. */
function clusterVersionOf(server: string | undefined): string | undefined {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})\./.exec(server ?? '') ?? [];
  return major === undefined || minor === undefined ? undefined : `${major}.${minor}.0`;
}

function isLower(a: string | undefined, b: string | undefined): boolean {
  return isLowerVersion(a ?? '', b ?? '');
}
