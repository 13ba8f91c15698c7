export { decodeTrace, encodeTrace, formatTraceparent, parseTraceparent, type TraceContext } from './trace-context';
export { type Attributes, type Span, startTracing, type Tracing } from './tracing';
