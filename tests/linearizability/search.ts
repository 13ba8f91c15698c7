import { Evidence, keysOf } from './evidence';
import type { Placement } from './placement';
import { sameResult, StoreModel } from './store-model';
import type { Change, History, Kv, Operation, Result } from './types';

/** Attempts to fill a hole before the search gives up. */
const STEPS_MAX = 2_000_000;

export interface Contradiction {
  readonly what: string;
  readonly revision: number;
  readonly operation: Operation | undefined;
  /** What the operation should have answered. */
  readonly expected: Result | undefined;
  readonly keys: readonly string[];
}

export type SearchResult =
  | { readonly kind: 'found'; readonly model: StoreModel; readonly fillers: ReadonlyMap<number, Operation> }
  | { readonly kind: 'none'; readonly contradiction: Contradiction; readonly model: StoreModel }
  | { readonly kind: 'undecided'; readonly holes: number };

/** Keys that something is about; undefined: any. */
type Keys = ReadonlySet<string> | undefined;
const NONE: Keys = new Set();

/** One hole on the way: who may fill it, who does. */
interface Frame {
  readonly hole: number;
  readonly candidates: readonly Operation[];
  next: number;
  filler: Operation | undefined;
  /** What the failures below it were about. */
  conflict: Keys;
}

/**
 * Walks through the revisions and fills each hole with an unanswered request, going back when an answer contradicts.
 * This is Wing and Gong's search ("Testing and Verifying Concurrent Objects", JPDC 1993) with Lowe's memory of states
 * that led nowhere ("Testing for Linearizability", CCPE 2017), confined to the holes: between them the revisions leave
 * no choice. A contradiction goes back to the last hole that shares a key with it (Prosser, "Hybrid Algorithms for the
 * Constraint Satisfaction Problem", 1993).
 */
export class Search {
  private readonly model: StoreModel;
  private readonly evidence: Evidence;
  private readonly frames: Frame[] = [];
  private readonly used = new Set<Operation>();
  /** Hole and state from which there is no way on, and what that was about. */
  private readonly failed = new Map<string, Keys>();
  private readonly candidates = new Map<number, readonly Operation[]>();
  /** A read of an old revision sees more than the state of now, which is all that `failed` remembers by. */
  private readonly remembers: boolean;
  /** Answered revokes by the only revision they can have made. */
  private readonly revokes = new Map<number, Operation[]>();
  private steps = 0;
  private deepest: { readonly contradiction: Contradiction; readonly revision: number } | undefined;

  constructor(
    history: History,
    private readonly placement: Placement,
    events: ReadonlyMap<number, readonly Change[]>,
  ) {
    this.model = new StoreModel(history.start);
    this.evidence = new Evidence(history.operations, events, new Set(placement.holes));
    this.remembers = !history.operations.some(
      ({ request }) => request.kind === 'range' && request.revision !== undefined,
    );
    for (const hole of placement.holes) {
      const here = placement.readers.get(hole)?.filter(({ request }) => request.kind === 'revoke') ?? [];
      if (here.length > 0) this.revokes.set(hole, here);
    }
  }

  run(): SearchResult {
    const { first, last } = this.placement;
    let contradiction = this.readAt(first);
    for (;;) {
      if (contradiction !== undefined) {
        this.note(contradiction);
        if (!this.back(contradiction)) return this.failure();
        contradiction = this.readAt(this.model.revision);
      } else if (this.model.revision === last) {
        const fillers = new Map(this.frames.map(({ hole, filler }) => [hole, filler as Operation])); // all are filled
        return { kind: 'found', model: this.model, fillers };
      } else contradiction = this.forward();
      if (this.steps > STEPS_MAX) return { kind: 'undecided', holes: this.placement.holes.length };
    }
  }

  /** To the next revision. */
  private forward(): Contradiction | undefined {
    const revision = this.model.revision + 1;
    const write = this.placement.writes.get(revision);
    if (write === undefined) return this.openHole(revision);
    const { changes, result } = this.model.evaluate(write.request);
    const wrong = this.compare(write, result);
    if (wrong !== undefined) return wrong;
    this.model.apply(changes);
    return this.readAt(revision);
  }

  private openHole(hole: number): Contradiction | undefined {
    const frame: Frame = { hole, candidates: this.candidatesOf(hole), next: 0, filler: undefined, conflict: NONE };
    this.frames.push(frame);
    if (this.failed.size > 0) {
      const state = this.fingerprint(hole);
      if (this.failed.has(state)) {
        frame.next = frame.candidates.length;
        frame.conflict = this.failed.get(state);
      }
    }
    return this.fill(frame) ? this.readAt(hole) : this.nobody(hole);
  }

  private candidatesOf(hole: number): readonly Operation[] {
    const known = this.candidates.get(hole);
    if (known !== undefined) return known;
    const deadline = this.placement.deadline(hole);
    const found = this.placement.unanswered.filter(
      ({ call, request }) => call <= deadline && this.evidence.mayBe(hole, request),
    );
    const all = [...(this.revokes.get(hole) ?? []), ...found];
    this.candidates.set(hole, all);
    return all;
  }

  private nobody(hole: number): Contradiction {
    const what = `no request without an answer can have made revision ${hole}`;
    const keys = this.evidence.of(hole).map(({ key }) => key);
    return { what, revision: hole, operation: undefined, expected: undefined, keys };
  }

  /** The next candidate that can have made this revision. */
  private fill(frame: Frame): boolean {
    while (frame.next < frame.candidates.length) {
      const candidate = frame.candidates[frame.next++] as Operation; // next was within
      if (this.used.has(candidate)) continue;
      this.steps += 1;
      const { changes } = this.model.evaluate(candidate.request);
      if (changes.length === 0 || !this.evidence.allows(frame.hole, changes)) continue;
      frame.filler = candidate;
      this.used.add(candidate);
      this.model.apply(changes);
      return true;
    }
    return false;
  }

  /** Undoes holes until one that matters for the contradiction can be filled otherwise. false: there is none. */
  private back({ operation, keys }: Contradiction): boolean {
    const isHole = operation === undefined;
    let conflict: Keys = isHole ? NONE : new Set(keys);
    for (let depth = 0; ; depth++) {
      const frame = this.frames[this.frames.length - 1];
      if (frame === undefined) return false;
      this.model.rewind(frame.hole - 1);
      if (frame.filler !== undefined) this.used.delete(frame.filler);
      frame.filler = undefined;
      if (!(isHole && depth === 0) && !concerns(frame, conflict)) {
        this.frames.pop();
        continue;
      }
      frame.conflict = union(frame.conflict, conflict);
      if (this.fill(frame)) return true;
      this.frames.pop();
      conflict = frame.candidates.reduce<Keys>((all, { request }) => union(all, keySet(request)), frame.conflict);
      if (this.remembers) this.failed.set(this.fingerprint(frame.hole), conflict);
    }
  }

  /** Everything that is read at this revision, and what did nothing at it. */
  private readAt(revision: number): Contradiction | undefined {
    const filler = this.frames[this.frames.length - 1];
    for (const reader of this.placement.readers.get(revision) ?? []) {
      if (filler?.hole === revision && filler.filler === reader) continue;
      const { changes, result } = this.model.evaluate(reader.request);
      const wrong = this.compare(reader, result);
      if (wrong !== undefined) return wrong;
      if (changes.length > 0) {
        const keys = changes.map(({ key }) => key);
        const what = 'it was answered as if it had changed nothing, but there was something to change';
        return { what, revision, operation: reader, expected: undefined, keys };
      }
    }
    return undefined;
  }

  private compare(operation: Operation, expected: Result): Contradiction | undefined {
    const { outcome } = operation;
    if (outcome.kind !== 'ok' || sameResult(expected, outcome.result)) return undefined;
    const keys = differences(operation, expected, outcome.result);
    return { what: 'the answer is not what the state gives', revision: outcome.revision, operation, expected, keys };
  }

  private note(contradiction: Contradiction): void {
    if (this.deepest !== undefined && this.deepest.revision >= contradiction.revision) return;
    this.deepest = { contradiction, revision: contradiction.revision };
  }

  private failure(): SearchResult {
    const { contradiction } = this.deepest as { contradiction: Contradiction }; // a search fails on a contradiction
    return { kind: 'none', contradiction, model: this.model };
  }

  /** What the rest of the way depends on: which requests are used up, and the keys that they have touched. */
  private fingerprint(hole: number): string {
    const keys = new Set<string>();
    const ids: number[] = [];
    for (const { filler, hole: at } of this.frames) {
      if (filler === undefined) continue;
      ids.push(filler.id);
      for (const { key } of this.model.changesOf(at)) keys.add(key);
    }
    const state = [...keys].sort().map((key) => {
      const kv = this.model.get(key);
      return kv === undefined ? key : [key, kv.mod, kv.create, kv.version, kv.value, kv.lease];
    });
    return JSON.stringify([hole, ids.sort((a, b) => a - b), state]);
  }
}

/** Whether another filler of this hole could mend a contradiction about these keys. */
function concerns(frame: Frame, conflict: Keys): boolean {
  if (conflict === undefined) return true;
  return frame.candidates.some(({ request }) => {
    const keys = keysOf(request);
    return keys === undefined || keys.some((key) => conflict.has(key));
  });
}

function keySet(request: Operation['request']): Keys {
  const keys = keysOf(request);
  return keys === undefined ? undefined : new Set(keys);
}

function union(a: Keys, b: Keys): Keys {
  return a === undefined || b === undefined ? undefined : new Set([...a, ...b]);
}

/** Keys in which two answers differ; when they cannot be told apart by keys, those that the request names. */
function differences({ request }: Operation, expected: Result, actual: Result): string[] {
  const text = (kv: Kv): string => JSON.stringify([kv.key, kv.mod, kv.value, kv.create, kv.version, kv.lease]);
  const [wanted, got] = [flatten(expected), flatten(actual)];
  const [wantedTexts, gotTexts] = [new Set(wanted.map(text)), new Set(got.map(text))];
  const differing = [
    ...wanted.filter((kv) => !gotTexts.has(text(kv))),
    ...got.filter((kv) => !wantedTexts.has(text(kv))),
  ].map(({ key }) => key);
  const named = request.kind === 'txn' ? request.compares.map(({ key }) => key) : [];
  const own = 'key' in request ? [request.key] : (keysOf(request) ?? []);
  return [...new Set(differing.length > 0 && named.length === 0 ? differing : [...differing, ...named, ...own])];
}

function flatten(result: Result): readonly Kv[] {
  if (result.kind === 'range') return result.kvs;
  if (result.kind === 'put') return result.prev === undefined ? [] : [result.prev];
  if (result.kind === 'delete') return result.prevs ?? [];
  return result.kind === 'txn' ? result.results.flatMap(flatten) : [];
}
