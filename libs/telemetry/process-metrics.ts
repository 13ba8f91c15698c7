import { readdirSync, readFileSync } from 'node:fs';
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { counter, exponentialBounds, gauge, Histogram, histogram, type MetricFamily } from './metric-families';

/** Coarse, since a finer one would wake an idle process; a loop that is blocked longer is seen however coarse it is. */
const DELAY_RESOLUTION_MS = 50;

/** What is watched all the time. It costs next to nothing, once: whoever hosts many services in one process has one. */
class Watched {
  readonly delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  readonly collections = new Histogram(exponentialBounds(0.0005, 2, 12));
  majorCollections = 0;

  constructor() {
    this.delay.enable();
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        this.collections.observe(entry.duration / 1000);
        const { kind } = (entry as { readonly detail?: { readonly kind?: number } }).detail ?? {};
        if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) this.majorCollections++;
      }
    });
    observer.observe({ entryTypes: ['gc'] });
  }
}

let watched: Watched | undefined;

/** What every process tells of itself. Watching begins with the first one that is made, and ends with the process. */
export class ProcessMetrics {
  private readonly watched: Watched;
  private readonly files = limitOfFiles();

  constructor(private readonly process_: string) {
    watched ??= new Watched();
    this.watched = watched;
  }

  readonly families = (): MetricFamily[] => {
    const { delay, collections, majorCollections } = this.watched;
    const labels = { process: this.process_ };
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    const one = (value: number): [typeof labels, number][] => [[labels, value]];
    const delays = [0.5, 0.99, 1].map((quantile): [Record<string, string>, number] => {
      const late = quantile === 1 ? delay.max : delay.percentile(quantile * 100);
      return [{ ...labels, quantile: String(quantile) }, Math.max(0, late / 1e9 - DELAY_RESOLUTION_MS / 1000)];
    });
    delay.reset(); // the next scrape tells of what comes from now on
    return [
      counter('hexad_process_cpu_seconds_total', 'CPU time of a process in seconds.', one((user + system) / 1e6)),
      gauge('hexad_process_resident_memory_bytes', 'Resident memory of a process.', one(rss)),
      gauge('hexad_process_heap_bytes', 'JavaScript heap of a process.', [
        [{ ...labels, kind: 'used' }, heapUsed],
        [{ ...labels, kind: 'total' }, heapTotal],
        [{ ...labels, kind: 'external' }, external],
      ]),
      gauge(
        'hexad_process_start_time_seconds',
        'Start of a process since the epoch.',
        one(Date.now() / 1000 - process.uptime()),
      ),
      gauge('hexad_process_open_fds', 'Open files of a process.', one(openFiles())),
      gauge('hexad_process_max_fds', 'Files that a process may open.', one(this.files)),
      gauge(
        'hexad_event_loop_delay_seconds',
        'How late the event loop of a process was, since the last scrape.',
        delays,
      ),
      counter(
        'hexad_event_loop_busy_seconds_total',
        'Time that the event loop of a process was busy.',
        one(performance.eventLoopUtilization().active / 1000),
      ),
      histogram('hexad_gc_duration_seconds', 'Garbage collections of a process.', [collections.numbers(labels)]),
      counter('hexad_gc_major_total', 'Major garbage collections of a process.', one(majorCollections)),
    ];
  };
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

function limitOfFiles(): number {
  try {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
