import { acquireWriter, Reader } from '../wire';

/**
 * When the entries `first`…`last` of the log, which came as one batch, passed their stations in raft. Times are whole
 * microseconds of the host's monotonic clock; durations are microseconds.
 */
export interface EntryTiming {
  readonly first: number;
  readonly last: number;
  /** The proposer's raft had read the proposals. */
  readonly arrived: number;
  /** They were in the leader's log. */
  readonly appended: number;
  /** The leader's own WAL had them. */
  readonly synced: number;
  /** A quorum had them, as the leader knows. */
  readonly committed: number;
  /** They were handed to the storage of the proposer's member; 0: not yet. */
  readonly delivered: number;
  /** The leader's write and fdatasync alone. */
  readonly fsync: number;
  readonly leader: bigint;
  /** Whose acknowledgement made the quorum; 0: none was needed. */
  readonly follower: bigint;
  /** From the append's sending to that acknowledgement. */
  readonly roundTrip: number;
  /** What the follower itself took of it, and its fdatasync alone. */
  readonly followerHeld: number;
  readonly followerFsync: number;
  /** Of a proposal that another member passed on to the leader: the way there and back. */
  readonly forwardNet: number;
  /** How long the leader's event loop stood still meanwhile. */
  readonly leaderStall: number;
}

/** What rounding and readings some instructions apart may make of one clock; two hosts' are never so near each other. */
const SAME_CLOCK_MICROS = 1000;

/** hexad.EntryTimings. */
export function encodeEntryTimings(timings: readonly EntryTiming[]): Uint8Array {
  const w = acquireWriter(); // writes from the end to the start
  for (let i = timings.length - 1; i >= 0; i--) {
    const t = timings[i] as EntryTiming;
    const before = w.length;
    field(w, 0x78, t.leaderStall);
    if (t.delivered > 0) field(w, 0x70, t.delivered - t.committed);
    field(w, 0x68, t.forwardNet);
    field(w, 0x60, t.followerFsync);
    field(w, 0x58, t.followerHeld);
    field(w, 0x50, t.roundTrip);
    if (t.follower !== 0n) {
      w.fixed64(t.follower);
      w.uint32(0x49);
    }
    w.fixed64(t.leader);
    w.uint32(0x41);
    field(w, 0x38, t.fsync);
    field(w, 0x30, t.committed - t.synced);
    field(w, 0x28, t.synced - t.appended);
    field(w, 0x20, t.appended - t.arrived);
    field(w, 0x18, t.arrived);
    field(w, 0x10, t.last - t.first);
    field(w, 0x08, t.first);
    w.endMessage(before, 0x0a);
  }
  return w.finish();
}

function field(w: ReturnType<typeof acquireWriter>, tag: number, value: number): void {
  if (value <= 0) return;
  w.int64(value);
  w.uint32(tag);
}

/** @throws WireError on malformed bytes */
export function decodeEntryTimings(bytes: Uint8Array): EntryTiming[] {
  const reader = new Reader(bytes);
  const timings: EntryTiming[] = [];
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== 0x0a) {
      reader.skip(tag);
      continue;
    }
    const outer = reader.enter();
    timings.push(readTiming(reader));
    reader.leave(outer);
  }
  return timings;
}

function readTiming(reader: Reader): EntryTiming {
  const numbers = Array.from({ length: 16 }, () => 0);
  let leader = 0n;
  let follower = 0n;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    const number = tag >>> 3;
    if (tag === 0x41) leader = reader.fixed64BigInt();
    else if (tag === 0x49) follower = reader.fixed64BigInt();
    else if ((tag & 7) === 0 && number < numbers.length) numbers[number] = reader.uint64Number();
    else reader.skip(tag);
  }
  const at = (number: number): number => numbers[number] as number;
  const appended = at(3) + at(4);
  const synced = appended + at(5);
  return {
    first: at(1),
    last: at(1) + at(2),
    arrived: at(3),
    appended,
    synced,
    committed: synced + at(6),
    delivered: synced + at(6) + at(14),
    fsync: at(7),
    leader,
    follower,
    roundTrip: at(10),
    followerHeld: at(11),
    followerFsync: at(12),
    forwardNet: at(13),
    leaderStall: at(15),
  };
}

/**
 * By how much times of another clock must be moved to be compared with ours, when what they tell of happened between
 * `from` and `to` of our clock: not at all when they lie there (the clock is the same host's), else so that the way there
 * and the way back took as long as each other.
 */
export function clockShift(first: number, last: number, from: number, to: number): number {
  if (first >= from - SAME_CLOCK_MICROS && last <= to + SAME_CLOCK_MICROS) return 0;
  return Math.round((from + to - first - last) / 2);
}
