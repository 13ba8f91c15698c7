import { decodeHashKVResponse, encodeHashKVRequest, MAINTENANCE_PATHS } from '../../proto/gen/etcdserverpb';
import { checkLinearizable, checkWatch, type Request } from '../linearizability';
import type { Cluster } from '../system/support/cluster';
import { waitFor } from '../system/support/wait-for';
import { MemberClient } from './client';
import type { Performed, Recorder } from './recorder';
import { eventsByRevision, type WatchingClient } from './watching';

const TIMEOUT_MS = 20_000;
const SHORT_TTL_SECONDS = 10;

export interface FinalCheckOptions {
  readonly cluster: Cluster;
  readonly recorder: Recorder;
  readonly watchers: readonly WatchingClient[];
  /** The highest revision that somebody asked to compact. */
  readonly compacted: number;
}

export interface FinalCheckResult {
  readonly problems: readonly string[];
  /** Revisions that were made by requests without an answer. */
  readonly holes: number;
}

/** Looks at a cluster at rest, after the load, and at all that clients were told. */
export async function checkAll(options: FinalCheckOptions): Promise<FinalCheckResult> {
  const { cluster, recorder, watchers, compacted } = options;
  const problems: string[] = [];
  problems.push(...(await endLeases(cluster, recorder)));
  const last = await lastReads(cluster, recorder);
  for (const watcher of watchers) {
    await watcher.untilReached(last, TIMEOUT_MS).catch((error: Error) => problems.push(error.message));
    watcher.stop();
  }
  problems.push(...(await compareHashes(cluster, last)));
  const verdict = checkLinearizable(recorder.history, eventsByRevision(watchers));
  if (verdict.kind !== 'linearizable') return { problems: [...problems, verdict.report], holes: 0 };
  for (const { recordings } of watchers) {
    for (const [at, { record }] of recordings.entries()) {
      const isLast = at === recordings.length - 1;
      const problem = checkWatch(record, { model: verdict.model, compacted, ...(isLast ? { reached: last } : {}) });
      if (problem !== undefined) problems.push(problem);
    }
  }
  return { problems, holes: verdict.holes };
}

/** Leases with a short TTL must expire by themselves; the others are revoked, so that the last revision is the last. */
async function endLeases(cluster: Cluster, recorder: Recorder): Promise<string[]> {
  const client = new MemberClient(cluster.member(0).endpoint);
  const perform = (request: Request): Promise<Performed> => recorder.perform('leases', client, request, TIMEOUT_MS);
  const leased = async (): Promise<string[] | undefined> => {
    const answer = await perform({ kind: 'range', key: 'l/', end: 'l0' });
    if (answer.kind !== 'ok' || answer.result.kind !== 'range') return undefined;
    return answer.result.kvs.map(({ lease }) => lease);
  };
  const isLong = (lease: string): boolean => (recorder.leases.get(lease) ?? 0) > SHORT_TTL_SECONDS;
  try {
    const expired = async (): Promise<string[] | undefined> => {
      const left = await leased();
      return left?.every(isLong) === true ? left : undefined;
    };
    const long = await waitFor('leases to expire', expired, TIMEOUT_MS);
    for (const lease of new Set(long)) await perform({ kind: 'revoke', lease });
    const left = await leased();
    return left?.length === 0 ? [] : [`keys of leases that were revoked are left: ${String(left?.length)}`];
  } finally {
    client.close();
  }
}

/** One more write, then everything is read from every member. Returns the last revision. */
async function lastReads(cluster: Cluster, recorder: Recorder): Promise<number> {
  let last = 0;
  const perform = async (at: number, request: Request): Promise<void> => {
    const client = new MemberClient(cluster.member(at).endpoint);
    const performed = await recorder.perform(`final-${at}`, client, request, TIMEOUT_MS);
    client.close();
    if (performed.kind === 'failed') throw new Error(`the last ${request.kind} failed: ${performed.message}`);
    last = Math.max(last, performed.revision);
  };
  await perform(0, { kind: 'put', key: 'k/end', value: 'end' });
  for (let at = 0; at < cluster.members.length; at++) await perform(at, { kind: 'range', key: '\0', end: '\0' });
  return last;
}

async function compareHashes(cluster: Cluster, revision: number): Promise<string[]> {
  const hashes = await Promise.all(
    cluster.members.map(async ({ endpoint, name }) => {
      const client = new MemberClient(endpoint);
      const answer = await client.call(MAINTENANCE_PATHS.HashKV, encodeHashKVRequest({ revision }), TIMEOUT_MS);
      client.close();
      if (!answer.ok) return `${name}: ${answer.message}`;
      const { hash, hashRevision, compactRevision } = decodeHashKVResponse(answer.bytes);
      return `${hash} at ${hashRevision}, compacted ${compactRevision}`;
    }),
  );
  return new Set(hashes).size === 1 ? [] : [`the members' hashes at ${revision} differ: ${hashes.join('; ')}`];
}
