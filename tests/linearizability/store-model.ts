import {
  type Change,
  type Compare,
  type DeleteResult,
  type HistoryStart,
  inRange,
  type Kv,
  type RangeRequest,
  type RangeResult,
  type Request,
  type Result,
  type TxnOperation,
  type TxnOperationResult,
} from './types';

interface Version {
  readonly revision: number;
  readonly kv: Kv | undefined;
}

/** What a request does at one place of the order. */
export interface Effect {
  /** Empty: it made no revision. */
  readonly changes: readonly Change[];
  readonly result: Result;
}

/** The store as the API describes it: all versions of all keys. Grows by one revision at a time and can be taken back. */
export class StoreModel {
  revision: number;
  private readonly versions = new Map<string, Version[]>();
  /** Every key that ever was, in order. */
  private readonly keys: string[] = [];
  private readonly changesAt: (readonly Change[])[] = [];
  readonly firstRevision: number;

  constructor(start: HistoryStart) {
    this.revision = start.revision;
    this.firstRevision = start.revision;
    for (const kv of start.kvs) this.push(kv.key, { revision: kv.mod, kv });
  }

  /** What a revision after the start did; it exists. */
  changesOf(revision: number): readonly Change[] {
    return this.changesAt[revision - this.firstRevision - 1] ?? [];
  }

  get(key: string, at = this.revision): Kv | undefined {
    const versions = this.versions.get(key);
    if (versions === undefined) return undefined;
    let low = 0;
    let high = versions.length;
    const last = versions[high - 1];
    if (last !== undefined && last.revision <= at) return last.kv;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((versions[middle] as Version).revision <= at) low = middle + 1;
      else high = middle;
    }
    return versions[low - 1]?.kv;
  }

  /** Makes the next revision. */
  apply(changes: readonly Change[]): void {
    this.revision += 1;
    this.changesAt.push(changes);
    for (const { key, kv } of changes) this.push(key, { revision: this.revision, kv });
  }

  /** Takes revisions back until `revision` is the last. */
  rewind(revision: number): void {
    while (this.revision > revision) {
      for (const { key } of this.changesAt.pop() ?? []) this.versions.get(key)?.pop();
      this.revision -= 1;
    }
    if (revision < this.firstRevision) throw new Error('there is nothing before the start');
  }

  private push(key: string, version: Version): void {
    const versions = this.versions.get(key);
    if (versions !== undefined) versions.push(version);
    else {
      this.versions.set(key, [version]);
      this.keys.splice(lowerBound(this.keys, key), 0, key);
    }
  }

  /** What `request` would do and answer now, at the next revision if it writes. */
  evaluate(request: Request): Effect {
    const step = new Step(this);
    if (request.kind === 'compact') return { changes: [], result: { kind: 'done' } };
    if (request.kind === 'revoke') {
      for (const { key } of this.withLease(request.lease)) step.write(key, undefined);
      return { changes: step.changes(), result: { kind: 'done' } };
    }
    if (request.kind !== 'txn') {
      const result = step.run(request);
      return { changes: step.changes(), result };
    }
    const succeeded = request.compares.every((compare) => holds(compare, this.get(compare.key)));
    const results = (succeeded ? request.success : request.failure).map((operation) => step.run(operation));
    return { changes: step.changes(), result: { kind: 'txn', succeeded, results } };
  }

  /** Keys within [from, end) that have a version at revision `at`. */
  scan(from: string, end: string | undefined, at: number): Kv[] {
    if (end === undefined) {
      const kv = this.get(from, at);
      return kv === undefined ? [] : [kv];
    }
    const found: Kv[] = [];
    for (let i = lowerBound(this.keys, from); i < this.keys.length; i++) {
      const key = this.keys[i] as string; // i is within
      if (!inRange(key, from, end)) break;
      const kv = this.get(key, at);
      if (kv !== undefined) found.push(kv);
    }
    return found;
  }

  private withLease(lease: string): Kv[] {
    return this.scan('', '\0', this.revision).filter((kv) => kv.lease === lease);
  }
}

/** One request under way: its later operations see what its earlier ones wrote. */
class Step {
  private readonly written = new Map<string, Kv | undefined>();

  constructor(private readonly model: StoreModel) {}

  changes(): Change[] {
    return [...this.written].map(([key, kv]) => ({ key, kv }));
  }

  write(key: string, kv: Kv | undefined): void {
    this.written.set(key, kv);
  }

  run(operation: TxnOperation): TxnOperationResult {
    if (operation.kind === 'range') return this.range(operation);
    if (operation.kind === 'delete') return this.delete(operation.key, operation.end, operation.prevKv === true);
    const prev = this.now(operation.key);
    const revision = this.model.revision + 1;
    this.write(operation.key, {
      key: operation.key,
      value: operation.value,
      create: prev?.create ?? revision,
      mod: revision,
      version: (prev?.version ?? 0) + 1,
      lease: operation.lease ?? '',
    });
    return operation.prevKv === true ? { kind: 'put', prev } : { kind: 'put' };
  }

  private now(key: string): Kv | undefined {
    return this.written.has(key) ? this.written.get(key) : this.model.get(key);
  }

  private scan(from: string, end: string | undefined): Kv[] {
    const found = this.model.scan(from, end, this.model.revision).filter(({ key }) => !this.written.has(key));
    for (const [key, kv] of this.written) if (kv !== undefined && inRange(key, from, end)) found.push(kv);
    return this.written.size === 0 ? found : found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  private range({ key, end, revision, limit }: RangeRequest): RangeResult {
    const all = revision === undefined ? this.scan(key, end) : this.model.scan(key, end, revision);
    const kvs = limit === undefined ? all : all.slice(0, limit);
    return { kind: 'range', kvs, count: all.length, more: kvs.length < all.length };
  }

  private delete(key: string, end: string | undefined, prevKv: boolean): DeleteResult {
    const prevs = this.scan(key, end);
    for (const kv of prevs) this.write(kv.key, undefined);
    return { kind: 'delete', deleted: prevs.length, ...(prevKv ? { prevs } : {}) };
  }
}

/** etcd's comparisons: of a missing key all numbers are 0, and a comparison of its value fails whatever it is. */
function holds({ target, relation, operand }: Compare, kv: Kv | undefined): boolean {
  if (target === 'value' && kv === undefined) return false;
  const actual = kv === undefined ? 0 : kv[target];
  if (relation === '=') return actual === operand;
  if (relation === '!=') return actual !== operand;
  return relation === '<' ? actual < operand : actual > operand;
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function sameKv(a: Kv | undefined, b: Kv | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.key === b.key &&
    a.mod === b.mod &&
    a.value === b.value &&
    a.create === b.create &&
    a.version === b.version &&
    a.lease === b.lease
  );
}

function sameKvs(a: readonly Kv[], b: readonly Kv[]): boolean {
  return a.length === b.length && a.every((kv, i) => sameKv(kv, b[i]));
}

export function sameResult(expected: Result, actual: Result): boolean {
  if (expected.kind === 'put') return actual.kind === 'put' && sameKv(expected.prev, actual.prev);
  if (expected.kind === 'range') {
    if (actual.kind !== 'range' || expected.count !== actual.count || expected.more !== actual.more) return false;
    return sameKvs(expected.kvs, actual.kvs);
  }
  if (expected.kind === 'delete') {
    if (actual.kind !== 'delete' || expected.deleted !== actual.deleted) return false;
    return sameKvs(expected.prevs ?? [], actual.prevs ?? []);
  }
  if (expected.kind === 'done') return actual.kind === 'done';
  if (actual.kind !== 'txn' || expected.succeeded !== actual.succeeded) return false;
  const { results } = actual;
  return (
    expected.results.length === results.length &&
    expected.results.every((one, i) => sameResult(one, results[i] as Result))
  );
}

/** Whether an answered request made a revision; undefined: its answer does not tell. */
export function madeRevision(result: Result, request: Request): boolean | undefined {
  if (request.kind === 'revoke') return undefined;
  if (result.kind === 'put') return true;
  if (result.kind === 'delete') return result.deleted > 0;
  if (result.kind === 'txn')
    return result.results.some((one) => one.kind !== 'range' && madeRevision(one, request) === true);
  return false;
}
