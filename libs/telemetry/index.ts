export { decodeTrace, encodeTrace, formatTraceparent, parseTraceparent, type TraceContext } from './trace-context';
export { hostMicros, toHostMicros } from './clock';
export { startTracing } from './tracing';
export type { Attributes, Span, Tracing } from './types';
export { tracedBatch } from './traced-batch';
