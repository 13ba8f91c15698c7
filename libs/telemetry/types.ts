import type { TraceContext } from './trace-context';

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** A span under way. It exists only for sampled requests, so its cost is theirs alone. */
export interface Span {
  readonly context: TraceContext;
  setAttributes(attributes: Attributes): void;
  /** `error` marks the span as failed. */
  end(error?: string): void;
}

/** A span that is told of when it is over. Times are ms since the epoch. */
export interface FinishedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it is a root. */
  readonly parentSpanId: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** Whose work it was. */
  readonly process: string;
  readonly member: string;
  readonly isServer?: boolean;
  readonly error?: string;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
}

export interface Tracing {
  /** False: no SDK is loaded and nothing below does anything. Hot paths ask this first. */
  readonly enabled: boolean;
  /** Begins the span of a request at the edge; undefined when the sampler does not want it. */
  startRequest(name: string, parent: TraceContext | undefined): Span | undefined;
  /** Continues a request that another process sampled; undefined without a sampled parent. `startedAt`: ms since the epoch. */
  startChild(
    name: string,
    parent: TraceContext | undefined,
    attributes?: Attributes,
    startedAt?: number,
  ): Span | undefined;
  /** Exports spans that are over, whatever the sampler thinks. */
  emit(spans: readonly FinishedSpan[]): void;
  /** Exports what waits. */
  shutdown(): Promise<void>;
}
