import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSourceOf } from './bundle-sources';
import { attribute, type CpuProfile } from './cpu-profile';
import { flameGraph } from './flame-graph';
import { machineFacts } from './machine';
import { UsageError } from './options';
import { PROFILE_USAGE, type ProfileOptions, parseProfileOptions } from './profile-options';
import { type ProcessProfile, overviewTable, processTables } from './profile-report';
import { cpuSeconds } from './proc';
import { notes, progressLine, rowsOf } from './report';
import { runCase } from './run-case';
import { ROOT, ServerCluster } from './servers';

/** Below this share of one core a process is only in the overview. */
const DETAIL_SHARE_MIN = 0.01;

interface RawProfile {
  readonly name: string;
  readonly cpuMs: number;
  readonly profile: CpuProfile;
}

/** Profiles of all server processes and of the generator, of the measured time and the second before it. */
class Profiler {
  private readonly cpuSecondsBefore = new Map<number, number>();
  private readonly cpuMs = new Map<number, number>();
  private readonly session = new Session();
  private processes: Array<{ pid: number; name: string }> = [];
  private generator: CpuProfile | undefined;

  constructor(private readonly directory: string) {
    this.session.connect();
    this.session.post('Profiler.enable');
  }

  start(cluster: ServerCluster): void {
    const servers = cluster.processes().map(({ pid, name, member }) => ({ pid, name: `${member} ${name}` }));
    this.processes = [...servers, { pid: process.pid, name: 'generator' }];
    for (const { pid } of servers) process.kill(pid, 'SIGUSR2');
    this.session.post('Profiler.start');
  }

  /** The profilers have started by now: starting takes a tenth of a second of each process, which is not the load's. */
  startCounting(): void {
    for (const { pid } of this.processes) this.cpuSecondsBefore.set(pid, cpuSeconds(pid));
  }

  stop(): void {
    this.session.post('Profiler.stop', (_, { profile }) => (this.generator = profile as CpuProfile));
    for (const { pid } of this.processes) {
      this.cpuMs.set(pid, (cpuSeconds(pid) - (this.cpuSecondsBefore.get(pid) ?? 0)) * 1_000);
      if (pid !== process.pid) process.kill(pid, 'SIGUSR2');
    }
  }

  /** Once the servers have ended: they handle signals in order, so all have written their profiles before. */
  collect(): RawProfile[] {
    return this.processes.map(({ pid, name }) => ({
      name,
      cpuMs: this.cpuMs.get(pid) ?? 0,
      profile: pid === process.pid ? this.ownProfile() : this.serverProfile(pid),
    }));
  }

  private serverProfile(pid: number): CpuProfile {
    return JSON.parse(readFileSync(join(this.directory, `${pid}.cpuprofile`), 'utf8')) as CpuProfile;
  }

  private ownProfile(): CpuProfile {
    if (this.generator === undefined) throw new Error('the generator has no profile');
    return this.generator;
  }
}

async function measure(
  options: ProfileOptions,
  directory: string,
): Promise<{ operations: number; profiles: RawProfile[] }> {
  const profiler = new Profiler(directory);
  const hook = join(__dirname, 'profile-hook.js');
  const measurement = await runCase(options.bench, 'hexad', 1, {
    seconds: options.seconds,
    warmUpSeconds: options.warmUp,
    rate: options.rate,
    etcd: '',
    environment: { NODE_OPTIONS: `--require="${hook}"`, HEXAD_PROFILE_DIR: directory },
    phases: (cluster) => ({
      onNearlyWarm: () => profiler.start(cluster),
      onMeasure: () => profiler.startCounting(),
      onDone: () => profiler.stop(),
    }),
  });
  print([progressLine(measurement), ...notes(rowsOf([options.bench], [measurement]))]);
  return { operations: measurement.perSecond * options.seconds, profiles: profiler.collect() };
}

/** For each process the raw profile, which browsers' developer tools read, and a flame graph. */
function writeProfiles(out: string, raw: readonly RawProfile[], profiles: readonly ProcessProfile[]): void {
  mkdirSync(out, { recursive: true });
  const fileOf = (name: string, ending: string): string => join(out, `${name.replaceAll(' ', '-')}.${ending}`);
  for (const { name, profile } of raw) writeFileSync(fileOf(name, 'cpuprofile'), JSON.stringify(profile));
  for (const { name, attribution } of profiles) writeFileSync(fileOf(name, 'svg'), flameGraph(attribution.root, name));
}

async function profile(options: ProfileOptions): Promise<void> {
  const facts = Object.entries(machineFacts(undefined)).map(([key, value]) => `${key}: ${value}`);
  print(facts);
  const directory = mkdtempSync(join(tmpdir(), 'hexad-profile-'));
  try {
    const { operations, profiles: raw } = await measure(options, directory);
    const sourceOf = createSourceOf(ROOT);
    const profiles = raw.map(({ name, cpuMs, profile }) => ({
      name,
      cpuMs,
      attribution: attribute(profile, sourceOf),
    }));
    const detailed = profiles.filter(({ cpuMs, attribution }) => cpuMs > attribution.wall * DETAIL_SHARE_MIN);
    const overview = overviewTable(profiles, operations);
    const tables = detailed.map((each) => processTables(each, operations));
    writeProfiles(options.out, raw, detailed);
    writeFileSync(join(options.out, 'tables.txt'), `${[facts.join('\n'), overview, ...tables].join('\n\n')}\n`);
    print(['', overview, '', tables.join('\n\n'), '', `profiles and flame graphs are in ${options.out}`]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function main(): Promise<void> {
  const command = parseProfileOptions(process.argv.slice(2));
  ServerCluster.stopAtSignals();
  if ('print' in command) print([command.print]);
  else await profile(command.run);
}

main().catch((error: unknown) => {
  const usage = error instanceof UsageError;
  process.stderr.write(
    `profile: ${error instanceof Error ? error.message : String(error)}\n${usage ? `${PROFILE_USAGE}\n` : ''}`,
  );
  process.exit(usage ? 2 : 1);
});
