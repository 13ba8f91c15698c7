import type { Client, OpSummary, TopDocument } from '../../../libs/client';

/** What one member told, and how it was reached. */
export interface MemberSnapshot {
  readonly endpoint: string;
  /** Undefined: it did not answer. */
  readonly top: TopDocument | undefined;
  readonly error: string;
  /** The member's wall clock less ours at the same moment. Milliseconds; known to half of `roundTripMs`. */
  readonly clockOffsetMs: number;
  readonly roundTripMs: number;
  /** Hash of all keys at `ClusterSnapshot.hashRevision`; undefined: not known. */
  readonly hash: number | undefined;
}

export interface ClusterSnapshot {
  readonly members: readonly MemberSnapshot[];
  /** At which all were asked for their hash; 0: they were not. */
  readonly hashRevision: number;
}

export interface Asked {
  readonly endpoint: string;
  readonly client: Client;
}

/** Asks every member. */
export async function takeSnapshot(members: readonly Asked[]): Promise<ClusterSnapshot> {
  const tops = await Promise.all(members.map(askTop));
  const revisions = tops.flatMap(({ top }) =>
    top === undefined ? [] : [sumOf(top, 'etcd_debugging_mvcc_current_revision')],
  );
  const hashRevision = revisions.length === 0 ? 0 : Math.min(...revisions);
  const withHash = tops.map(async (member, at): Promise<MemberSnapshot> => {
    const client = members[at]?.client;
    if (member.top === undefined || client === undefined) return { ...member, hash: undefined };
    const hash = await client.hashKv(hashRevision).catch(() => undefined);
    return { ...member, hash };
  });
  return { members: await Promise.all(withHash), hashRevision };
}

async function askTop({ endpoint, client }: Asked): Promise<Omit<MemberSnapshot, 'hash'>> {
  const sent = Date.now();
  try {
    // The connection is made; the second answer, without the probe of the disk, tells of the round trip.
    const probed = await client.top({ probeDisk: true });
    const before = Date.now();
    const latest = await client.top();
    const after = Date.now();
    const probe = probed.families.filter(({ name }) => name === 'hexad_disk_probe_seconds');
    const top = { ...latest, families: [...latest.families, ...probe] };
    return { endpoint, top, error: '', clockOffsetMs: top.at - (before + after) / 2, roundTripMs: after - before };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { endpoint, top: undefined, error: message, clockOffsetMs: 0, roundTripMs: Date.now() - sent };
  }
}

/** Sum of a family's samples that have the labels given; 0 when there are none. */
export function sumOf(top: TopDocument, name: string, labels: Readonly<Record<string, string>> = {}): number {
  return samplesOf(top, name)
    .filter(
      (sample) => sample.suffix === '' && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    )
    .reduce((total, { value }) => total + value, 0);
}

export function samplesOf(top: TopDocument, name: string): TopDocument['families'][number]['samples'] {
  return top.families.find((family) => family.name === name)?.samples ?? [];
}

/** The bound below which the share `q` of a histogram's values lies, in its own unit; 0 when it has less than `least` values. */
export function quantileOf(
  top: TopDocument,
  name: string,
  q: number,
  labels: Readonly<Record<string, string>> = {},
  least = 20,
): number {
  const buckets = samplesOf(top, name)
    .filter(
      ({ suffix, labels: own }) =>
        suffix === '_bucket' && Object.entries(labels).every(([key, value]) => own[key] === value),
    )
    .map((sample) => ({
      bound: sample.labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(sample.labels['le']),
      count: sample.value,
    }))
    .sort((a, b) => a.bound - b.bound);
  const total = buckets.at(-1)?.count ?? 0;
  if (total < least) return 0;
  const found = buckets.find(({ count }) => count >= q * total)?.bound ?? 0;
  // Above the last bound: at least that.
  return Number.isFinite(found) ? found : (buckets.at(-2)?.bound ?? 0);
}

export function opOf(top: TopDocument, op: string): OpSummary | undefined {
  return top.ops.find((one) => one.op === op);
}

/** Hours since the oldest process of the member was started. */
export function uptimeHours(top: TopDocument): number {
  return Math.max(1 / 60, (top.at / 1000 - sumOf(top, 'process_start_time_seconds')) / 3600);
}
