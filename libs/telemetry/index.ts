export { decodeTrace, encodeTrace, formatTraceparent, parseTraceparent, type TraceContext } from './trace-context';
export { hostMicros, moment, toHostMicros } from './clock';
export { startTracing } from './tracing';
export type { Attributes, FinishedSpan, Span, Tracing } from './types';
export { tracedBatch } from './traced-batch';
export {
  counter,
  exponentialBounds,
  gauge,
  Histogram,
  histogram,
  type HistogramNumbers,
  type MetricFamily,
  type MetricLabels,
  type MetricSample,
  type MetricSource,
} from './metric-families';
export { ProcessMetrics } from './process-metrics';
export { type MetricsPage, renderFamilies } from './render-metrics';
