import { openMvccStore } from './mvcc-store';
import { plainEnvironment } from './plain-environment';
import { SimulatedDisk } from './simulated-engine';
import type { DeleteRangeRequest, PutRequest, RangeQuery, RequestOp, Store, StoredVersion } from './types';

/** A store on a simulated disk and short ways to say what tests say often. Texts are ASCII. */
export class StoreFixture {
  readonly disk = new SimulatedDisk();
  store: Store = this.open();
  readonly hooks = { leaseExists: (id: bigint) => id < 100n };
  private index = 0;

  put(key: string, value: string, more: Partial<PutRequest> = {}): ReturnType<Store['put']> {
    return this.applied(this.store.put(putRequest(key, value, more), this.hooks));
  }

  delete(key: string, rangeEnd = ''): ReturnType<Store['deleteRange']> {
    return this.applied(this.store.deleteRange(deleteRequest(key, rangeEnd)));
  }

  compact(revision: number): void {
    const outcome = this.applied(this.store.compact(revision));
    if (!outcome.ok) throw new Error(outcome.error);
  }

  applied<T>(result: T): T {
    this.store.setApplied(++this.index, 1);
    return result;
  }

  /** Runs physical deletion to its end and makes it durable. */
  async finishCompaction(): Promise<void> {
    while (!this.store.compactSlice(100)) await this.store.flush();
    await this.store.flush();
  }

  /** Ends the store as a crash would and opens what is durable. */
  crash(): void {
    this.disk.crash();
    this.store = this.open();
    this.index = this.store.applied.index;
  }

  /** The versions that history has from `from` on: `revision key=value` or `revision key deleted`. */
  history(from: number): string[] {
    const { revisions } = this.store.history(from, this.store.revision, 1e9);
    return revisions.flatMap(({ versions }) => versions.map(lineOf));
  }

  /** `key=value` of the keys at a revision (0: current), or the error. */
  at(revision: number): string {
    const outcome = this.store.range(rangeQuery({ key: '\0', rangeEnd: '\0', revision }));
    return outcome.ok
      ? outcome.value.kvs.map((kv) => `${textOf(kv.key)}=${textOf(kv.value)}`).join(' ')
      : outcome.error;
  }

  private open(): Store {
    const onFatal = (error: unknown): void => {
      throw error;
    };
    return openMvccStore(this.disk.open(), plainEnvironment, {
      flushBytes: 1e9,
      flushVersions: 1e9,
      overlayBytesMax: 1e9,
      latest: { rows: 1, bytes: 1e9, commitsPerRound: 1, rowsPerCommitMin: 1, cacheBytes: 1000 },
      onFatal,
    });
  }
}

export function textOf(bytes: Uint8Array): string {
  return plainEnvironment.latin1(bytes);
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function lineOf(version: StoredVersion): string {
  const change = version.isDelete ? ' deleted' : `=${textOf(version.value)}`;
  return `${version.modRevision} ${textOf(version.key)}${change}`;
}

export function putRequest(key: string, value: string, more: Partial<PutRequest> = {}): PutRequest {
  const request = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false, ...more };
  return { key: bytesOf(key), value: bytesOf(value), ...request };
}

export function deleteRequest(key: string, rangeEnd = '', prevKv = false): DeleteRangeRequest {
  return { key: bytesOf(key), rangeEnd: bytesOf(rangeEnd), prevKv };
}

export interface QueryText extends Partial<Omit<RangeQuery, 'key' | 'rangeEnd'>> {
  readonly key: string;
  readonly rangeEnd?: string;
}

export function rangeQuery({ key, rangeEnd = '', ...more }: QueryText): RangeQuery {
  return {
    key: bytesOf(key),
    rangeEnd: bytesOf(rangeEnd),
    limit: 0,
    revision: 0,
    sortOrder: 0,
    sortTarget: 0,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
    ...more,
  };
}

const NO_OP: RequestOp = {
  requestRange: undefined,
  requestPut: undefined,
  requestDeleteRange: undefined,
  requestTxn: undefined,
};

export const op = {
  put: (key: string, value: string, more: Partial<PutRequest> = {}): RequestOp => ({
    ...NO_OP,
    requestPut: putRequest(key, value, more),
  }),
  delete: (key: string, rangeEnd = ''): RequestOp => ({ ...NO_OP, requestDeleteRange: deleteRequest(key, rangeEnd) }),
  range: (query: QueryText): RequestOp => ({ ...NO_OP, requestRange: rangeQuery(query) }),
  txn: (requestTxn: NonNullable<RequestOp['requestTxn']>): RequestOp => ({ ...NO_OP, requestTxn }),
  none: NO_OP,
};
