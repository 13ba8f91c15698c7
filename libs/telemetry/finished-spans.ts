import { type HrTime, SpanKind, type SpanStatus, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { FinishedSpan } from './types';

const QUEUE_MAX = 8192;
const BATCH_MAX = 512;
const EXPORT_DELAY_MS = 500;
const SCOPE = { name: 'hexad' };

/**
 * Exports spans that are made after the fact, each under the name of the process whose work it tells of. Bounded: what
 * does not fit is dropped and counted.
 */
export class FinishedSpans {
  dropped = 0;
  private queue: ReadableSpan[] = [];
  private timer: NodeJS.Timeout | undefined;
  private readonly resources = new Map<string, Resource>();

  constructor(
    private readonly exporter: SpanExporter,
    private readonly serviceName: string,
  ) {}

  add(spans: readonly FinishedSpan[]): void {
    for (const span of spans) {
      if (this.queue.length < QUEUE_MAX) this.queue.push(this.readable(span));
      else this.dropped++;
    }
    this.timer ??= setTimeout(() => void this.flush(), EXPORT_DELAY_MS).unref();
  }

  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    while (this.queue.length > 0) {
      const batch = this.queue.splice(0, BATCH_MAX);
      await new Promise<void>((resolve) => this.exporter.export(batch, () => resolve()));
    }
  }

  private readable(span: FinishedSpan): ReadableSpan {
    const { traceId, spanId, parentSpanId, error } = span;
    const context = (id: string) => ({ traceId, spanId: id, traceFlags: TraceFlags.SAMPLED });
    const status: SpanStatus =
      error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error };
    return {
      name: span.name,
      kind: span.isServer ? SpanKind.SERVER : SpanKind.INTERNAL,
      spanContext: () => context(spanId),
      ...(parentSpanId === '' ? {} : { parentSpanContext: context(parentSpanId) }),
      startTime: hrTime(span.startMs),
      endTime: hrTime(span.endMs),
      duration: hrTime(span.endMs - span.startMs),
      status,
      attributes: { ...span.attributes },
      links: (span.links ?? []).map((link) => ({ context: { ...link, traceFlags: TraceFlags.SAMPLED } })),
      events: [],
      ended: true,
      resource: this.resource(span.process, span.member),
      instrumentationScope: SCOPE,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }

  /** One for each process of each member, so their number is bounded. */
  private resource(process: string, member: string): Resource {
    const key = `${process}@${member}`;
    let resource = this.resources.get(key);
    if (resource === undefined) {
      resource = resourceFromAttributes({
        'service.name': `${this.serviceName}-${process}`,
        'service.instance.id': member,
        'hexad.member': member,
        'hexad.process': process,
      });
      this.resources.set(key, resource);
    }
    return resource;
  }
}

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
