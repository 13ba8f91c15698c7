/** What a process tells of itself when somebody scrapes: plain numbers, put into words by the proxy (prom-client). */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly MetricSample[];
}

export type MetricLabels = Readonly<Record<string, string>>;

export interface MetricSample {
  /** Of a histogram: `_bucket`, `_sum` or `_count`; else empty. */
  readonly suffix: string;
  readonly labels: MetricLabels;
  readonly value: number;
  /** Of a bucket: a trace that fell into it. */
  readonly exemplar?: { readonly traceId: string; readonly value: number; readonly timestamp: number } | undefined;
}

export type MetricSource = () => readonly MetricFamily[];

type Samples = number | readonly (readonly [labels: MetricLabels, value: number])[];

export function counter(name: string, help: string, samples: Samples): MetricFamily {
  return { name, help, type: 'counter', samples: plain(samples) };
}

export function gauge(name: string, help: string, samples: Samples): MetricFamily {
  return { name, help, type: 'gauge', samples: plain(samples) };
}

/** A histogram's numbers. Counts are by bucket, not cumulative, one more than bounds: the last is for what is above all. */
export interface HistogramNumbers {
  readonly labels: MetricLabels;
  readonly bounds: readonly number[];
  readonly counts: ArrayLike<number>;
  readonly sum: number;
  readonly exemplars?: ArrayLike<MetricSample['exemplar']>;
}

export function histogram(name: string, help: string, all: readonly HistogramNumbers[]): MetricFamily {
  return { name, help, type: 'histogram', samples: all.flatMap(histogramSamples) };
}

function plain(samples: Samples): MetricSample[] {
  if (typeof samples === 'number') return [{ suffix: '', labels: {}, value: samples }];
  return samples.map(([labels, value]) => ({ suffix: '', labels, value }));
}

function histogramSamples({ labels, bounds, counts, sum, exemplars }: HistogramNumbers): MetricSample[] {
  const samples: MetricSample[] = [];
  let count = 0;
  for (let i = 0; i <= bounds.length; i++) {
    count += counts[i] ?? 0;
    const le = i < bounds.length ? boundText(bounds[i] as number) : '+Inf';
    samples.push({ suffix: '_bucket', labels: { ...labels, le }, value: count, exemplar: exemplars?.[i] });
  }
  samples.push({ suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: count });
  return samples;
}

/** `0.0008`, not `0.0007999999`: bounds made by doubling carry rounding. */
function boundText(bound: number): string {
  return String(Number(bound.toPrecision(10)));
}

/** A histogram that is fed one value at a time. */
export class Histogram {
  readonly counts: number[];
  sum = 0;

  constructor(readonly bounds: readonly number[]) {
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] as number)) at++;
    this.counts[at] = (this.counts[at] as number) + 1;
    this.sum += value;
  }

  numbers(labels: MetricLabels = {}): HistogramNumbers {
    return { labels, bounds: this.bounds, counts: this.counts, sum: this.sum };
  }
}

/** `count` bounds from `start`, each `factor` times the one before, as Prometheus' client makes them. */
export function exponentialBounds(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i);
}
