import type { MetricFamily, MetricSample } from './metric-families';

export interface MetricsPage {
  readonly contentType: string;
  readonly body: string;
}

interface PromValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly exemplar?: {
    readonly labelSet: { readonly trace_id: string };
    readonly value: number;
    readonly timestamp: number;
  };
}

/**
 * The page of all families, by prom-client: in OpenMetrics with exemplars for those who ask for it, else in Prometheus'
 * text format. prom-client is loaded when somebody scrapes for the first time: nothing before that needs it.
 */
export async function renderFamilies(families: readonly MetricFamily[], accept: string): Promise<MetricsPage> {
  const { Registry } = require('prom-client') as typeof import('prom-client');
  const isOpenMetrics = accept.includes('application/openmetrics-text');
  const contentType = isOpenMetrics ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
  const registry = new Registry();
  registry.setContentType(contentType as never);
  for (const family of merged(families)) registry.registerMetric(toMetric(family, isOpenMetrics) as never);
  return { contentType, body: await registry.metrics() };
}

/** A name may come from several processes: its samples stand together. */
function merged(families: readonly MetricFamily[]): Iterable<MetricFamily> {
  const byName = new Map<string, MetricFamily>();
  for (const family of families) {
    const before = byName.get(family.name);
    byName.set(
      family.name,
      before === undefined ? family : { ...before, samples: [...before.samples, ...family.samples] },
    );
  }
  return byName.values();
}

/** What prom-client's registry asks of a metric. */
function toMetric({ name, help, type, samples }: MetricFamily, isOpenMetrics: boolean): object {
  // OpenMetrics' counters end in _total, which the registry adds to the name without it.
  const base = isOpenMetrics && type === 'counter' ? name.replace(/_total$/, '') : name;
  const values = samples.map((sample) => toValue(base, sample));
  return { name, get: () => Promise.resolve({ name: base, help, type, values, aggregator: 'sum' }) };
}

function toValue(name: string, { suffix, labels, value, exemplar }: MetricSample): PromValue {
  const metricName = `${name}${suffix}`;
  if (exemplar === undefined) return { metricName, labels, value };
  const { traceId, value: seen, timestamp } = exemplar;
  return { metricName, labels, value, exemplar: { labelSet: { trace_id: traceId }, value: seen, timestamp } };
}
