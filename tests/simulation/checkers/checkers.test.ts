import { GrpcCode } from '../../../libs/errors';
import type { LogEntry, RaftCore } from '../../../libs/raft';
import { hashText, type Store } from '../../../libs/mvcc';
import type { Wal } from '../../../libs/wal';
import { type Applied, Truth } from '../cluster/truth';
import type { Operation, Outcome } from '../workload/operation';
import { World } from '../world/world';
import { AcknowledgedWrites } from './acknowledged-writes';
import { CommittedEntries } from './committed-entries';
import { ElectionSafety } from './election-safety';
import { FreshReads } from './fresh-reads';
import { LeaderCompleteness } from './leader-completeness';
import { LeaseTimes } from './lease-times';
import { LogMatching } from './log-matching';
import { MonotonicRevisions } from './monotonic-revisions';
import { StateEquality } from './state-equality';
import { WatchStream } from './watch-streams';

// Each checker alone, on the smallest thing that it must refuse, and on one that it must not.

const bytes = (text: string): Uint8Array => Buffer.from(text);

function entry(index: number, term: number, data = 'x'): LogEntry {
  return { index, term, type: 0, data: bytes(data) };
}

/** A core as checkers see it: its term and its log's terms from index 1 on. */
function coreOf(term: number, terms: readonly number[] = []): RaftCore {
  const log = { firstIndex: 1, term: (index: number) => terms[index - 1] };
  return { term, commit: terms.length, state: { log } } as unknown as RaftCore;
}

function walOf(terms: readonly number[]): Wal {
  return { firstIndex: 1, lastIndex: terms.length, term: (index: number) => terms[index - 1] } as unknown as Wal;
}

const hashOf = (low: number): string => hashText({ high: 0, low });

/** An entry that puts `key`, or deletes it, and makes `revision`. */
function applied(
  index: number,
  revision: number,
  key: string,
  value: string | undefined,
  more: Partial<Applied> = {},
): Applied {
  const version = { key: bytes(key), value: bytes(value ?? ''), isDelete: value === undefined };
  const made = [{ revision, changes: [{ version, previous: undefined }] }] as unknown as Applied['made'];
  return { member: 'm1', index, term: 1, hash: hashOf(index), revision, compactRevision: 0, made, ...more };
}

function truthOf(...entries: readonly Applied[]): Truth {
  const truth = new Truth();
  for (const each of entries) truth.add(each);
  return truth;
}

let lastId = 0;
function operation(outcome: Outcome, more: Partial<Operation> = {}): Operation {
  const base = { id: ++lastId, kind: 'get', client: 'c', member: 'm1', invokedAt: 0, linearizable: true } as const;
  return { ...base, completedAt: 0, outcome, ...more };
}

const ok = (revision: number): Outcome => ({ kind: 'ok', revision });

it('election safety: two leaders in one term', () => {
  const checker = new ElectionSafety();
  checker.elected('m1', coreOf(2));
  checker.elected('m1', coreOf(2));
  checker.elected('m2', coreOf(3));
  expect(() => checker.elected('m1', coreOf(3))).toThrow('election safety');
});

it('state machine safety: another entry at a committed index', () => {
  const checker = new CommittedEntries();
  checker.delivered('m1', entry(4, 2));
  checker.delivered('m2', entry(4, 2));
  expect(() => checker.delivered('m3', entry(4, 2, 'y'))).toThrow('state machine safety');
  expect(() => checker.delivered('m3', entry(4, 3))).toThrow('state machine safety');
});

it('leader completeness: a leader that lacks a committed entry', () => {
  const committed = new CommittedEntries();
  const checker = new LeaderCompleteness(committed);
  committed.delivered('m1', entry(1, 1));
  committed.delivered('m1', entry(2, 2));
  expect(() => checker.elected('m2', coreOf(3, [1, 2]))).not.toThrow();
  expect(() => checker.elected('m2', coreOf(3, [1]))).toThrow('leader completeness');
  expect(() => checker.elected('m2', coreOf(3, [1, 1]))).toThrow('leader completeness');
});

it('log matching: equal ends over different entries', () => {
  const checker = new LogMatching();
  for (const member of ['m1', 'm2']) checker.raftStarted({ member, core: coreOf(1), wal: walOf([]) });
  checker.appended('m1', [entry(1, 1), entry(2, 2)]);
  checker.appended('m2', [entry(1, 1), entry(2, 3)]);
  expect(() => checker.inspect()).not.toThrow();
  checker.appended('m1', [entry(3, 4)]);
  checker.appended('m2', [entry(3, 4)]);
  expect(() => checker.inspect()).toThrow('log matching');
});

it('state machine equality: another hash at the same index, or a store that opens with something else', () => {
  const truth = new Truth();
  const checker = new StateEquality(truth);
  checker.applied(applied(1, 2, 'a', '1'));
  checker.applied(applied(1, 2, 'a', '1', { member: 'm2' }));
  expect(() => checker.applied(applied(1, 2, 'a', '2', { member: 'm3', hash: hashOf(99) }))).toThrow(
    'state machine equality',
  );
  const store = (value: string, low = 1): Store => {
    const kvs = [{ key: bytes('a'), value: bytes(value) }];
    const position = { index: 1, term: 1 };
    const range = () => ({ ok: true, value: { kvs } });
    const stateHash = { at: () => ({ high: 0, low }) };
    return { applied: position, revision: 2, compactRevision: 0, range, stateHash } as unknown as Store;
  };
  expect(() => checker.storeOpened('m1', store('1'))).not.toThrow();
  expect(() => checker.storeOpened('m1', store('2'))).toThrow('state machine equality');
  expect(() => checker.storeOpened('m1', store('1', 2))).toThrow('with the hash 0000000000000002');
});

it('acknowledged writes: one that is not there, and one that was refused and is', () => {
  const truth = truthOf(applied(1, 2, 'a', 'v1'));
  const checker = new AcknowledgedWrites(truth);
  const writes = (value: string) => ({ kind: 'put', writes: [{ key: 'a', value }] }) as const;
  expect(() => checker.completed(operation(ok(2), writes('v1')))).not.toThrow();
  expect(() => checker.completed(operation(ok(2), writes('v2')))).toThrow('acknowledged writes');
  const error = { code: GrpcCode.Unknown, message: 'too many requests' };
  checker.completed(operation({ kind: 'error', error, definite: false }, writes('v1')));
  checker.completed(operation({ kind: 'error', error, definite: true }, writes('v9')));
  const quiet = new AcknowledgedWrites(truth);
  quiet.completed(operation({ kind: 'error', error, definite: true }, writes('v9')));
  expect(() => quiet.finish()).not.toThrow();
  quiet.completed(operation({ kind: 'error', error, definite: true }, writes('v1')));
  expect(() => quiet.finish()).toThrow('definite errors');
});

it('linearizable reads: an older revision than one completed before, and a value that was never there', () => {
  const truth = truthOf(applied(1, 2, 'a', 'v1'), applied(2, 3, 'a', 'v2'));
  const checker = new FreshReads(truth);
  const early = operation(ok(2));
  checker.invoked(early);
  checker.completed(operation(ok(3)));
  expect(() => checker.completed(early)).not.toThrow(); // it began before
  const late = operation(ok(2));
  checker.invoked(late);
  expect(() => checker.completed(late)).toThrow('linearizable reads');
  const range = { key: 'a', isPrefix: false, revision: 0 };
  const read = (value: string) => operation({ kind: 'ok', revision: 3, kvs: [['a', value]] }, { range });
  expect(() => checker.completed(read('v2'))).not.toThrow();
  expect(() => checker.completed(read('v1'))).toThrow('linearizable reads');
});

it('monotonic revisions: a member that goes back, while one of its processes knows better', () => {
  const checker = new MonotonicRevisions(truthOf(applied(1, 2, 'a', 'v1'), applied(2, 3, 'a', 'v2')));
  const ask = (revision: number): Operation => {
    const asked = operation(ok(revision), { kind: 'serializable', linearizable: false });
    checker.invoked(asked);
    return asked;
  };
  checker.completed(ask(3));
  checker.processEnded({ name: 'm1', core: coreOf(1, [1, 1]), store: undefined });
  expect(() => checker.completed(ask(2))).toThrow('monotonic revisions');
  checker.processEnded({ name: 'm1', core: undefined, store: undefined });
  expect(() => checker.completed(ask(2))).not.toThrow();
});

describe('watch streams', () => {
  const truth = truthOf(applied(1, 2, 'k1', 'a'), applied(2, 3, 'other', 'b'), applied(3, 4, 'k2', 'c'));
  const started = (next: number): WatchStream => {
    const stream = new WatchStream(truth, 'w', 'k');
    stream.begins(next);
    return stream;
  };
  const first = { key: 'k1', value: 'a', revision: 2 };
  const second = { key: 'k2', value: 'c', revision: 4 };

  it('complete and in order are fine', () => {
    const stream = started(2);
    stream.events([first]);
    stream.promised(3, 'a promise');
    stream.events([second]);
    expect(stream.next).toBe(5);
  });

  it('a missing event, a repeated one, and one from before the start are not', () => {
    expect(() => started(2).events([second])).toThrow('watch completeness');
    expect(() => started(2).events([first, first])).toThrow('watch completeness');
    expect(() => started(5).events([second])).toThrow('watch order');
    const stream = started(2);
    stream.events([first, second]);
    expect(() => stream.events([first])).toThrow('watch order');
  });

  it('a promise that runs ahead of the events is not', () => {
    expect(() => started(2).promised(2, 'progress')).toThrow('watch completeness');
    expect(() => started(3).promised(3, 'progress')).not.toThrow();
  });
});

describe('leases', () => {
  const lease = { id: 1n, ttl: 5 };
  const key = 'lease/1';

  function granted(): { checker: LeaseTimes; world: World; truth: Truth } {
    const world = new World(1);
    const truth = new Truth();
    const checker = new LeaseTimes(world, () => truth);
    const grant = operation(ok(0), { kind: 'grant', lease, invokedAt: 0, completedAt: 1 });
    checker.invoked(grant);
    checker.completed(grant);
    truth.add(applied(1, 2, key, 'v'));
    return { checker, world, truth };
  }

  function end({ checker, world, truth }: ReturnType<typeof granted>, at: number): void {
    world.now = at;
    const ended = applied(2, 3, key, undefined);
    truth.add(ended);
    checker.applied(ended);
  }

  it('one that ends before its time is not fine, after it is', () => {
    expect(() => end(granted(), 4_000)).toThrow('leases');
    expect(() => end(granted(), 5_000)).not.toThrow();
  });

  it('one that is still there long after its time is not', () => {
    const { checker, world } = granted();
    world.now = 14_000;
    expect(() => checker.finish()).not.toThrow();
    world.now = 16_000;
    expect(() => checker.finish()).toThrow('leases');
  });
});
