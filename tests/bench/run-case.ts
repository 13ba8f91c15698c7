import type { Beside, Disturbance } from './beside';
import type { BenchCase, LoadCase } from './cases';
import { fill, overwrite } from './fill';
import { Load, type LoadResult, type Phases } from './load';
import type { Measurement } from './measurement';
import { type MachineTime, machineTime } from './proc';
import { ServerCluster, type ServerKind, type StartOptions } from './servers';
import { NORMAL_P99 } from './targets';
import { WatchLoad } from './watch-load';

const MEMORY_SAMPLE_MS = 500;

export interface RunOptions {
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Makes any case an open loop. */
  readonly rate: number | undefined;
  readonly etcd: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** What else is told how far the load is. */
  readonly phases?: (cluster: ServerCluster) => Phases;
}

/** Starts a fresh cluster, fills it, warms it up, measures, and stops it. */
export async function runCase(
  bench: BenchCase,
  server: ServerKind,
  round: number,
  options: RunOptions,
): Promise<Measurement> {
  const { etcd } = options;
  const environment = { ...options.environment, ...bench.environment };
  const start = { members: bench.members, etcd, environment };
  const cluster = await ServerCluster.start(server, start);
  try {
    const meter = new Meter(cluster);
    const phases = options.phases?.(cluster);
    const result = await runLoad(
      bench,
      cluster,
      { ...options, start },
      {
        onNearlyWarm: () => phases?.onNearlyWarm?.(),
        onMeasure: () => {
          phases?.onMeasure();
          meter.start();
        },
        onDone: () => {
          meter.stop();
          phases?.onDone();
        },
      },
    );
    return { case: bench.name, server, round, ...figures(result), ...meter.figures(result) };
  } finally {
    await cluster.stop();
  }
}

async function runLoad(
  bench: BenchCase,
  cluster: ServerCluster,
  { seconds, warmUpSeconds, rate, start }: RunOptions & { readonly start: StartOptions },
  phases: Phases,
): Promise<LoadResult> {
  const { ports } = cluster;
  const times = { ports, warmUpMs: warmUpSeconds * 1_000, measureMs: seconds * 1_000, rate: rate ?? bench.rate };
  const revisions = await fill(ports[0] ?? 0, bench.keysBefore, bench.kind === 'load' ? bench.valueBytes : undefined);
  if (bench.kind === 'load' && bench.overwrites !== undefined) await overwrite(ports[0] ?? 0, bench.overwrites);
  cluster.sampleMemory(MEMORY_SAMPLE_MS);
  if (bench.kind === 'hub') return { ...(await bench.run(cluster, phases)), timeline: [] };
  if (bench.kind === 'store') return { ...(await bench.run(cluster, phases, start)), timeline: [] };
  if (bench.kind === 'watch') return new WatchLoad({ ...bench, ...times }).run(phases);
  const newLoad = (): Load => new Load({ ...bench, ...times }, bench.requester, revisions);
  return bench.beside === undefined ? newLoad().run(phases) : runDisturbed(newLoad, bench.beside, bench, ports, phases);
}

/** First the load alone, for comparison, then with what goes on beside it. */
async function runDisturbed(
  newLoad: () => Load,
  beside: Beside,
  { keysBefore }: LoadCase,
  ports: readonly number[],
  phases: Phases,
): Promise<LoadResult> {
  const normal = await newLoad().run({ onMeasure: () => undefined, onDone: () => undefined });
  let disturbance: Disturbance | undefined;
  const result = await newLoad().run({
    ...phases,
    onMeasure: () => {
      phases.onMeasure();
      disturbance = beside(ports[0] ?? 0, keysBefore);
    },
  });
  const extra = { [NORMAL_P99]: normal.latencies.quantile(0.99), ...(await disturbance?.stop()) };
  return { ...result, extra: { ...result.extra, ...extra } };
}

type ResultFigures = Pick<
  Measurement,
  'perSecond' | 'p50' | 'p90' | 'p99' | 'p999' | 'max' | 'errors' | 'timeline' | 'extra'
>;

function figures({ operations, seconds, latencies, errors, timeline, extra }: LoadResult): ResultFigures {
  return {
    perSecond: operations / seconds,
    p50: latencies.quantile(0.5),
    p90: latencies.quantile(0.9),
    p99: latencies.quantile(0.99),
    p999: latencies.quantile(0.999),
    max: latencies.max,
    errors: Object.fromEntries(errors),
    timeline,
    extra,
  };
}

type MeterFigures = Pick<
  Measurement,
  'cpuMicros' | 'cpuByProcess' | 'peakAnonymousMb' | 'generatorMicros' | 'stolenShare' | 'othersShare'
>;

/** CPU seconds so far. */
interface Reading {
  readonly cpu: ReadonlyMap<string, number>;
  readonly generator: number;
  readonly machine: MachineTime;
}

/** Reads the counters of servers, generator and machine at both ends of the measured time. */
class Meter {
  private before: Reading;
  private after: Reading;

  constructor(private readonly cluster: ServerCluster) {
    this.before = this.read();
    this.after = this.before;
  }

  start(): void {
    this.before = this.read();
  }

  stop(): void {
    this.after = this.read();
  }

  figures({ operations }: LoadResult): MeterFigures {
    const { before, after } = this;
    const micros = (seconds: number): number => (seconds * 1e6) / Math.max(1, operations);
    const seconds = new Map([...after.cpu].map(([name, value]) => [name, value - (before.cpu.get(name) ?? 0)]));
    const servers = [...seconds.values()].reduce((sum, value) => sum + value, 0);
    const generator = after.generator - before.generator;
    const total = Math.max(0.001, after.machine.total - before.machine.total);
    const others = after.machine.busy - before.machine.busy - servers - generator;
    return {
      cpuMicros: micros(servers),
      cpuByProcess: Object.fromEntries([...seconds].map(([name, value]) => [name, micros(value)])),
      peakAnonymousMb: this.cluster.peakAnonymousMb,
      generatorMicros: micros(generator),
      stolenShare: (after.machine.stolen - before.machine.stolen) / total,
      othersShare: Math.max(0, others / total),
    };
  }

  private read(): Reading {
    const { user, system } = process.cpuUsage();
    return { cpu: this.cluster.cpu(), generator: (user + system) / 1e6, machine: machineTime() };
  }
}
