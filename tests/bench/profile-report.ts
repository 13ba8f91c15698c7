import type { Attribution } from './cpu-profile';
import { columns } from './report';

export interface ProcessProfile {
  /** Role and process, as in `leader raft`. */
  readonly name: string;
  /** CPU of the process in the profiled time by the kernel's count, all threads, in milliseconds. */
  readonly cpuMs: number;
  readonly attribution: Attribution;
}

const FUNCTIONS_MAX = 25;
const FILES_MAX = 15;

/**
 * What each process took. The profiler samples by the clock, and on a busy machine a process also waits for a processor:
 * so only shares are taken from it, and microseconds from the kernel's count of CPU time.
 */
export function overviewTable(profiles: readonly ProcessProfile[], operations: number): string {
  const lines = profiles.map(({ name, cpuMs, attribution: { wall, idle, collector, native } }) => {
    const busy = Math.max(0.001, wall - idle);
    const share = (ms: number): string => `${((ms / busy) * 100).toFixed(0)} %`;
    const cpuMicros = ((cpuMs * 1_000) / Math.max(1, operations)).toFixed(2);
    return [name, cpuMicros, share(busy - collector - native), share(collector), share(native)];
  });
  return columns([['process', 'CPU µs/op', 'script', 'GC', 'native'], ...lines]);
}

/** Where one process's main thread spent its busy time, by file and by function; CPU is shared out in proportion. */
export function processTables({ name, cpuMs, attribution }: ProcessProfile, operations: number): string {
  const busy = Math.max(0.001, attribution.wall - attribution.idle);
  const cpuMicros = (cpuMs * 1_000) / Math.max(1, operations);
  const line = (what: string, ms: number): string[] => [
    what,
    `${((ms / busy) * 100).toFixed(1)} %`,
    ((ms / busy) * cpuMicros).toFixed(3),
  ];
  const special = [line('garbage collector', attribution.collector), line('event loop, compiler', attribution.native)];
  const files = attribution.byFile.slice(0, FILES_MAX).map(({ file, ms }) => line(file, ms));
  const functions = attribution.byFunction
    .slice(0, FUNCTIONS_MAX)
    .map(({ name: called, file, ms }) => line(`${called}  ${file}`, ms));
  return [
    `== ${name}: ${cpuMicros.toFixed(2)} µs/op`,
    columns([['by file (self)', 'busy', 'CPU µs/op'], ...special, ...files]),
    '',
    columns([['by function (self)', 'busy', 'CPU µs/op'], ...functions]),
  ].join('\n');
}
