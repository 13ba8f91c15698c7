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

/** What each process took; µs are per operation. `native` is of the main thread: system calls, the event loop, compilation. */
export function overviewTable(profiles: readonly ProcessProfile[], operations: number): string {
  const perOperation = (ms: number): string => ((ms * 1_000) / Math.max(1, operations)).toFixed(2);
  const overview = profiles.map(({ name, cpuMs, attribution: { wall, idle, collector, native } }) => {
    const onMainThread = wall - idle;
    return [
      name,
      perOperation(cpuMs),
      `${((cpuMs / wall) * 100).toFixed(0)} %`,
      perOperation(onMainThread - collector - native),
      perOperation(collector),
      perOperation(native),
      `${((idle / wall) * 100).toFixed(0)} %`,
    ];
  });
  const head = ['process', 'CPU µs/op', 'of a core', 'script µs', 'GC µs', 'native µs', 'idle'];
  return columns([head, ...overview]);
}

/** Where one process's main thread spent its busy time, by file and by function. */
export function processTables({ name, attribution }: ProcessProfile, operations: number): string {
  const busy = Math.max(0.001, attribution.wall - attribution.idle);
  const line = (what: string, ms: number): string[] => [
    what,
    `${((ms / busy) * 100).toFixed(1)} %`,
    ((ms * 1_000) / Math.max(1, operations)).toFixed(3),
  ];
  const special = [line('garbage collector', attribution.collector), line('native, system calls', attribution.native)];
  const files = attribution.byFile.slice(0, FILES_MAX).map(({ file, ms }) => line(file, ms));
  const functions = attribution.byFunction
    .slice(0, FUNCTIONS_MAX)
    .map(({ name: called, file, ms }) => line(`${called}  ${file}`, ms));
  return [
    `== ${name}`,
    columns([['by file (self time)', 'busy', 'µs/op'], ...special, ...files]),
    '',
    columns([['by function (self time)', 'busy', 'µs/op'], ...functions]),
  ].join('\n');
}
