import {
  decodeDeleteRangeResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeTxnResponse,
  encodeCompactionRequest,
  encodeDeleteRangeRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
  KV_PATHS,
  type RangeResponse,
} from '../../proto/gen/etcdserverpb';
import { MemberClient } from './client';
import type { Random } from './disk/random';

const WRITERS = 16;
const KEYS_PER_WRITER = 6;
const TIMEOUT_MS = 10_000;
const PREFIX = 'w/';
const COMPACT_BEHIND = 200;

/** What one write of a key would leave: the counter in its value, or nothing. */
interface Attempt {
  readonly counter: number;
  readonly isDelete: boolean;
  /** Of which start of the load it is. */
  readonly run: number;
  /** Set when it was acknowledged. */
  revision: number | undefined;
}

/** Writers with keys of their own, each writing counters upwards; knows what may be found after a crash. */
export class PowerLoad {
  /** Per key: the attempts from the last acknowledged one on. */
  private readonly attempts = new Map<string, Attempt[]>();
  private counter = 0;
  private runs = 0;
  private highestRevision = 0;
  private running = false;
  private done: Promise<unknown> = Promise.resolve();
  acknowledged = 0;
  attempted = 0;

  /** @param lateEffects a request without an answer may take effect after the crash */
  constructor(
    private readonly random: Random,
    private readonly lateEffects: boolean,
  ) {}

  start(endpoints: readonly string[]): void {
    this.running = true;
    this.runs += 1;
    const clients = endpoints.map((endpoint) => new MemberClient(endpoint));
    const big = this.random.chance(0.1);
    const writers = Array.from({ length: WRITERS }, (_, at) =>
      this.write(clients[at % clients.length] as MemberClient, at, big),
    );
    this.done = Promise.all(writers).finally(() => {
      for (const client of clients) client.close();
    });
  }

  /** Ends after what is under way has been answered. */
  async stop(): Promise<void> {
    this.running = false;
    await this.done;
  }

  private async write(client: MemberClient, writer: number, big: boolean): Promise<void> {
    while (this.running) {
      const key = (at: number): string => `${PREFIX}${writer}/${at}`;
      const draw = this.random.next();
      const ok =
        draw < 0.02
          ? await this.compact(client)
          : draw < 0.1
            ? await this.pair(client, key(0), key(1))
            : draw < 0.15
              ? await this.remove(client, key(this.random.between(2, KEYS_PER_WRITER)))
              : await this.put(client, key(this.random.between(2, KEYS_PER_WRITER)), big);
      if (!ok) return; // the member is going down
    }
  }

  private value(big: boolean): Buffer {
    const length = big ? this.random.between(10_000, 300_000) : this.random.between(0, 900);
    return Buffer.from(`${++this.counter}:${'x'.repeat(length)}`);
  }

  private begin(keys: readonly string[], isDelete: boolean): Attempt {
    const attempt: Attempt = { counter: this.counter, isDelete, run: this.runs, revision: undefined };
    for (const key of keys) this.attempts.set(key, [...(this.attempts.get(key) ?? []), attempt]);
    this.attempted += 1;
    return attempt;
  }

  private confirm(keys: readonly string[], attempt: Attempt, revision: number): true {
    attempt.revision = revision;
    this.highestRevision = Math.max(this.highestRevision, revision);
    this.acknowledged += 1;
    for (const key of keys) this.attempts.set(key, [attempt, ...this.stillOpen(key)]);
    return true;
  }

  /** What has no answer and may still happen: in the log of a member that was away for a while. */
  private stillOpen(key: string): Attempt[] {
    if (!this.lateEffects) return [];
    return (this.attempts.get(key) ?? []).filter(({ revision, run }) => revision === undefined && run >= this.runs - 1);
  }

  private async put(client: MemberClient, key: string, big: boolean): Promise<boolean> {
    const value = this.value(big);
    const attempt = this.begin([key], false);
    const answer = await client.call(KV_PATHS.Put, encodePutRequest({ key: Buffer.from(key), value }), TIMEOUT_MS);
    return answer.ok && this.confirm([key], attempt, Number(decodePutResponse(answer.bytes).header?.revision));
  }

  /** Two keys in one transaction: a crash may not part them. */
  private async pair(client: MemberClient, a: string, b: string): Promise<boolean> {
    const value = this.value(false);
    const attempt = this.begin([a, b], false);
    const success = [a, b].map((key) => ({ requestPut: { key: Buffer.from(key), value } }));
    const answer = await client.call(KV_PATHS.Txn, encodeTxnRequest({ success }), TIMEOUT_MS);
    return answer.ok && this.confirm([a, b], attempt, Number(decodeTxnResponse(answer.bytes).header?.revision));
  }

  private async remove(client: MemberClient, key: string): Promise<boolean> {
    this.counter += 1;
    const attempt = this.begin([key], true);
    const request = encodeDeleteRangeRequest({ key: Buffer.from(key) });
    const answer = await client.call(KV_PATHS.DeleteRange, request, TIMEOUT_MS);
    return answer.ok && this.confirm([key], attempt, Number(decodeDeleteRangeResponse(answer.bytes).header?.revision));
  }

  private async compact(client: MemberClient): Promise<boolean> {
    const revision = this.highestRevision - COMPACT_BEHIND;
    if (revision < 1) return true;
    const answer = await client.call(KV_PATHS.Compact, encodeCompactionRequest({ revision }), TIMEOUT_MS);
    return answer.ok || answer.definite; // someone else may have compacted further
  }

  /** What is wrong with what a member has after a crash; nothing: all is as it must be. Goes on from what was found. */
  async verify(endpoint: string): Promise<string[]> {
    const client = new MemberClient(endpoint);
    try {
      const range = encodeRangeRequest({ key: Buffer.from(PREFIX), rangeEnd: Buffer.from('w0') });
      const answer = await client.call(KV_PATHS.Range, range, TIMEOUT_MS);
      if (!answer.ok) return [`a read after the start failed: ${answer.message}`];
      return this.compare(decodeRangeResponse(answer.bytes));
    } finally {
      client.close();
    }
  }

  private compare({ header, kvs }: RangeResponse): string[] {
    const problems: string[] = [];
    const revision = Number(header?.revision);
    if (revision < this.highestRevision) {
      problems.push(`the revision is ${revision}, but a write was acknowledged with ${this.highestRevision}`);
    }
    const found = new Map(kvs.map((kv) => [Buffer.from(kv.key).toString(), kv]));
    for (const key of found.keys()) if (!this.attempts.has(key)) problems.push(`${key} was never written`);
    for (const [key, attempts] of this.attempts) {
      const kv = found.get(key);
      const counter = kv === undefined ? undefined : Number.parseInt(Buffer.from(kv.value).toString('latin1'), 10);
      const problem = this.settle(key, attempts, counter, Number(kv?.modRevision));
      if (problem !== undefined) problems.push(problem);
    }
    for (let writer = 0; writer < WRITERS; writer++) {
      const [a, b] = [0, 1].map((at) => found.get(`${PREFIX}${writer}/${at}`)?.modRevision);
      if (a !== b) problems.push(`writer ${writer}: two keys of one transaction have revisions ${a} and ${b}`);
    }
    this.highestRevision = Math.max(this.highestRevision, revision);
    return problems;
  }

  /** `counter`: what was found; undefined: no such key. */
  private settle(
    key: string,
    attempts: readonly Attempt[],
    counter: number | undefined,
    revision: number,
  ): string | undefined {
    const acknowledged = attempts.find((attempt) => attempt.revision !== undefined);
    const match = attempts.find((attempt) =>
      counter === undefined ? attempt.isDelete : !attempt.isDelete && attempt.counter === counter,
    );
    if (match === undefined && (counter !== undefined || acknowledged !== undefined)) {
      const wanted = attempts.map((a) => `${a.isDelete ? 'deleted' : a.counter}${a.revision === undefined ? '?' : ''}`);
      return `${key} is ${counter ?? 'not there'}, but must be one of: ${wanted.join(', ')}`;
    }
    if (match?.revision !== undefined && !match.isDelete && match.revision !== revision) {
      return `${key} was acknowledged with revision ${match.revision}, but has ${revision}`;
    }
    // What is there now stays; without others to remember them, what had no answer by then never happens.
    const found = match === undefined ? [] : [{ ...match, revision: match.revision ?? revision }];
    this.attempts.set(key, [...found, ...this.stillOpen(key).filter((one) => one !== match)]);
    return undefined;
  }
}
