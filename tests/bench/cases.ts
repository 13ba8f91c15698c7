import { type Beside, compaction, defragmentations, lists, wholeReads } from './beside';
import { cache, type HubRun, memory, stalled } from './hub-cases';
import { KEYS } from './keys';
import {
  compareAndSwap,
  linearizableRange,
  mixed,
  put,
  range1000,
  type RequesterOf,
  serializableRange,
} from './requests';
import { listMemory, memoryOf, restart, type StoreRun } from './store-cases';
import { twoHubs } from './two-hubs';

/** What must hold. Ratios are Hexad / etcd in the same run; all are required, none is the aim. */
export interface Target {
  /** Operations per second: at least. */
  readonly throughput?: number;
  readonly p50?: number;
  readonly p99?: number;
  /** Milliseconds: at most. Needs no etcd. */
  readonly p99Ms?: number;
  /** Figures of the case's own (`extra`): at most. Need no etcd. */
  readonly extra?: Readonly<Record<string, number>>;
  /** CPU of all processes of all members per operation in µs: at most. Needs no etcd. */
  readonly cpuMicros?: number;
  /** Operations per second against another case on Hexad: at least. Needs no etcd. */
  readonly against?: { readonly case: string; readonly throughput: number };
  /** p99 against that of the same load without what goes on beside it: at most. Needs no etcd. */
  readonly p99OfNormal?: number;
  /** CPU per operation against that of the `without` of the case, the median of the rounds' ratios: at most. */
  readonly cost?: number;
}

interface CaseBase {
  readonly name: string;
  readonly members: number;
  readonly target: Target;
  /** Of an open loop; absent: a closed loop. */
  readonly rate?: number;
  /** Keys written before the load starts. */
  readonly keysBefore: number;
  /** Runs in turn with Hexad in this environment, which is without something, instead of etcd. */
  readonly without?: Readonly<Record<string, string>>;
  /** Takes long, or much memory: runs only when it is named. */
  readonly byHand?: true;
  /** Warm-up, of both servers, as a multiple of the usual one: few requests a second compile little. */
  readonly warmUps?: number;
  /** Of Hexad's processes. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface LoadCase extends CaseBase {
  readonly kind: 'load';
  readonly clients: number;
  readonly connections: number;
  readonly requester: RequesterOf;
  /** Goes on beside the load while it is measured; the same load without it is measured before. */
  readonly beside?: Beside;
  /** Bytes of the values of the keys written before; without it those of all cases. */
  readonly valueBytes?: number;
  /** Keys written before are overwritten so many times, one put a revision. */
  readonly overwrites?: number;
  /** Refusals, and requests not even sent because too many are under way, are what the case is about, not errors. */
  readonly refusalsAllowed?: boolean;
}

export interface WatchCase extends CaseBase {
  readonly kind: 'watch';
  readonly streams: number;
  readonly watchersPerStream: number;
  readonly putsUnderWay: number;
}

/** About Hexad's watch hub alone; etcd has no part in it. */
export interface HubCase extends CaseBase {
  readonly kind: 'hub';
  readonly run: HubRun;
}

/** About one large store: its restart, its memory. */
export interface StoreCase extends CaseBase {
  readonly kind: 'store';
  readonly run: StoreRun;
}

export type BenchCase = LoadCase | WatchCase | HubCase | StoreCase;

const FOR_LISTS = 1_000_000;

interface LoadShape {
  readonly members: number;
  readonly clients: number;
  readonly keysBefore?: number;
  readonly rate?: number;
  readonly beside?: Beside;
  readonly valueBytes?: number;
  readonly overwrites?: number;
  readonly refusalsAllowed?: boolean;
  readonly warmUps?: number;
  readonly without?: Readonly<Record<string, string>>;
}

function load(name: string, requester: RequesterOf, shape: LoadShape, target: Target): LoadCase {
  return { kind: 'load', name, requester, connections: Math.min(100, shape.clients), keysBefore: 0, ...shape, target };
}

function watch(name: string, watchersPerStream: number, putsUnderWay: number, target: Target): WatchCase {
  return { kind: 'watch', name, members: 3, keysBefore: 0, streams: 10, watchersPerStream, putsUnderWay, target };
}

function hub(name: string, members: number, run: HubRun, extra: Readonly<Record<string, number>>): HubCase {
  return { kind: 'hub', name, members, keysBefore: 0, run, target: { extra } };
}

function store(name: string, run: StoreRun, extra: Readonly<Record<string, number>>): StoreCase {
  return { kind: 'store', name, members: 1, keysBefore: 0, run, target: { extra } };
}

const MEMORY = { 'loaded MB': 600, 'restarted MB': 400 };

const READS = { members: 3, clients: 1_000, keysBefore: KEYS };
/** At most 2 % of the CPU of an operation may go into comparing states. */
const DIVERGENCE = { clients: 1_000, without: { HEXAD_DIVERGENCE_CHECK: 'false' } };
const ONE_READER = { ...READS, clients: 1 };

const DISTURBED = { members: 1, clients: 100, rate: 1_000 };

/** In the order in which they run. A name ends with the number of members. */
export const CASES: readonly BenchCase[] = [
  load('put-1000-3', put, { members: 3, clients: 1_000 }, { throughput: 1.5, p99: 1, cpuMicros: 75 }),
  load('put-1000-1', put, { members: 1, clients: 1_000 }, { throughput: 1.5, p99: 1 }),
  load('put-1-3', put, { members: 3, clients: 1, warmUps: 3 }, { p50: 1, p99: 1 }),
  load('put-1-1', put, { members: 1, clients: 1, warmUps: 3 }, { p50: 1.2, p99: 1 }),
  load('range-linearizable-1000-3', linearizableRange, READS, { throughput: 3, p99: 1 }),
  load('range-serializable-1000-3', serializableRange, READS, { throughput: 3, p99: 1 }),
  load('range-linearizable-1-3', linearizableRange, ONE_READER, {}),
  load('range-serializable-1-3', serializableRange, ONE_READER, {}),
  load('range-1000-keys-3', range1000, { ...READS, clients: 10 }, {}),
  load('txn-cas-1000-3', compareAndSwap, READS, { throughput: 2, p99: 1 }),
  load('mixed-1000-3', mixed, READS, {}),
  load('put-open-3', put, { members: 3, clients: 100, rate: 4_000 }, {}),
  watch('watch-1000-3', 100, 1, { throughput: 1.5, p99: 1 }),
  watch('watch-1000-stream-3', 100, 100, { throughput: 1.5, p99: 1 }),
  { ...watch('watch-1000-rate-3', 100, 1, { throughput: 0.99, p99: 1 }), rate: 1_000 },
  watch('watch-10000-3', 1_000, 1, { p99Ms: 50 }),
  hub('watch-memory-1', 1, memory(300_000, 1_000, 100_000), { 'hub B/watcher': 1_024 }),
  {
    ...hub('watch-million-1', 1, memory(1_000_000, 1_000, 100_000), { 'hub B/watcher': 1_024 }),
    byHand: true,
    // The default of 512 MiB is for 393,216 watchers.
    environment: { HEXAD_WATCH_MEMORY_MAX_BYTES: String(2 ** 31) },
  },
  hub('watch-two-hubs-1', 1, twoHubs, { 'storage CPU, 2 hubs / 1': 1.1, 'larger share of 2 hubs': 0.6 }),
  hub('watch-cache-1', 1, cache(1_000, 10_000), { 'storage reads': 0 }),
  {
    ...hub('watch-stalled-3', 3, stalled(500_000, 100, 10), {
      'CPU/put with / without': 1.05,
      'p99 with / without': 1.2,
      'hub MB': 512,
    }),
    byHand: true,
  },
  load('put-beside-list-3', put, { members: 3, clients: 100, rate: 500, keysBefore: FOR_LISTS, beside: lists }, {}),
  load(
    'put-beside-defragmentation-1',
    put,
    { ...DISTURBED, keysBefore: 600_000, beside: defragmentations },
    { p99OfNormal: 2 },
  ),
  load(
    'put-beside-compaction-1',
    put,
    { ...DISTURBED, keysBefore: KEYS, overwrites: 10 * KEYS, beside: compaction },
    { p99OfNormal: 2 },
  ),
  load(
    'range-beside-large-read-1',
    linearizableRange,
    { ...DISTURBED, keysBefore: 1_000_000, valueBytes: 1_000, beside: wholeReads },
    { p99OfNormal: 2 },
  ),
  store('restart-1', restart(1_000_000), { 'restart s longer': 0.3 }),
  store('memory-1', memoryOf(1_000_000), MEMORY),
  { ...store('memory-5-million-1', memoryOf(5_000_000), MEMORY), byHand: true },
  store('list-memory-1', listMemory(1_000_000), { 'unary list, extra MB': 64, 'streamed list, extra MB': 64 }),
  load('put-16000-3', put, { members: 3, clients: 16_000 }, { against: { case: 'put-1000-3', throughput: 0.9 } }),
  load('admission-3', put, { members: 3, clients: 100, rate: 40_000, refusalsAllowed: true }, {}),
  load('divergence-cost-3', put, { ...DIVERGENCE, members: 3, rate: 8_000 }, { cost: 1.02 }),
  load('divergence-cost-1', put, { ...DIVERGENCE, members: 1, rate: 20_000 }, { cost: 1.02 }),
];

/** The cases that `patterns` name (a trailing * stands for any rest), all without any, and those their targets refer to. */
export function chosenCases(patterns: readonly string[]): BenchCase[] {
  const matches = ({ name }: BenchCase): boolean =>
    patterns.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
  const chosen =
    patterns.length === 0
      ? CASES.filter(({ byHand }) => byHand !== true)
      : CASES.filter((bench) => matches(bench) && (bench.byHand !== true || patterns.includes(bench.name)));
  const referred = new Set(chosen.map(({ target }) => target.against?.case));
  return CASES.filter((bench) => chosen.includes(bench) || referred.has(bench.name));
}
