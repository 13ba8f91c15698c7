import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What Linux says in /proc about processes and the machine. A process that has ended counts as nothing. */

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** The fields of /proc/PID/stat behind the name: state, parent, … */
function statFields(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** User and system time of a process with all its threads. */
export function cpuSeconds(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}

/** Anonymous memory in RAM (heaps and stacks; no mapped files). */
export function anonymousKb(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

/** The arguments, separated by spaces. */
export function commandLine(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
}

/** The process and its children. */
export function family(parent: number): number[] {
  const pids = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
  return pids.filter((pid) => pid === parent || Number(statFields(pid)[1] ?? 0) === parent);
}

export interface MachineTime {
  /** Seconds of all processors together. */
  readonly total: number;
  readonly busy: number;
  /** Taken away by the host of a virtual machine. */
  readonly stolen: number;
}

export function machineTime(): MachineTime {
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, stolen = 0] =
    read('/proc/stat')
      .split('\n', 1)[0]
      ?.split(/\s+/)
      .slice(1)
      .map((ticks) => Number(ticks) / TICKS_PER_SECOND) ?? [];
  const busy = user + nice + system + irq + softirq;
  return { total: busy + idle + wait + stolen, busy, stolen };
}
