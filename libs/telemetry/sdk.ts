import {
  context,
  type Context,
  type Span as OtelSpan,
  SpanKind as OtelSpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import type { ProcessConfig } from '../config/process-config';
import { FinishedSpans } from './finished-spans';
import type { TraceContext } from './trace-context';
import type { Attributes, Span, Tracing } from './types';

const SHUTDOWN_MS = 1_000;

const EXPORT_DELAY_MS = 500;

/** Tracing that exports by OTLP: over HTTP, as JSON or protobuf, when OTEL_EXPORTER_OTLP_PROTOCOL says so, else over gRPC. */
export function startSdk(config: ProcessConfig): Tracing {
  const finished = new FinishedSpans(exporter(config), config.telemetry.serviceName);
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({
      'service.name': `${config.telemetry.serviceName}-${config.process}`,
      'service.instance.id': config.telemetry.instanceId,
      'hexad.member': config.name,
      'hexad.process': config.process,
    }),
    autoDetectResources: false,
    instrumentations: [],
    spanProcessors: [new BatchSpanProcessor(exporter(config), { scheduledDelayMillis: EXPORT_DELAY_MS })],
    ...samplerOf(config),
  });
  sdk.start();
  const tracer = trace.getTracer('hexad');
  const begin = (
    name: string,
    kind: OtelSpanKind,
    parent: Context,
    attributes?: Attributes,
    startTime?: number,
  ): OtelSpan =>
    tracer.startSpan(
      name,
      { kind, ...(attributes ? { attributes } : {}), ...(startTime === undefined ? {} : { startTime }) },
      parent,
    );
  return {
    enabled: true,
    startRequest(name, parent) {
      const span = begin(name, OtelSpanKind.SERVER, parent === undefined ? context.active() : contextOf(parent));
      return span.isRecording() ? wrap(span) : undefined;
    },
    startChild(name, parent, attributes, startedAt) {
      if (parent?.sampled !== true) return undefined;
      return wrap(begin(name, OtelSpanKind.INTERNAL, contextOf(parent), attributes, startedAt));
    },
    emit: (spans) => finished.add(spans),
    shutdown: () => withinTime(finished.flush().then(() => sdk.shutdown())),
  };
}

function exporter(config: ProcessConfig): SpanExporter {
  const { endpoint } = config.telemetry;
  const { env } = process;
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] ?? env['OTEL_EXPORTER_OTLP_PROTOCOL'] ?? 'grpc';
  const http = endpoint === '' ? {} : { url: `http://${endpoint}/v1/traces` };
  if (protocol === 'http/json') {
    const { OTLPTraceExporter } =
      require('@opentelemetry/exporter-trace-otlp-http') as typeof import('@opentelemetry/exporter-trace-otlp-http');
    return new OTLPTraceExporter(http);
  }
  if (protocol.startsWith('http')) {
    const { OTLPTraceExporter } =
      require('@opentelemetry/exporter-trace-otlp-proto') as typeof import('@opentelemetry/exporter-trace-otlp-proto');
    return new OTLPTraceExporter(http);
  }
  const { OTLPTraceExporter } =
    require('@opentelemetry/exporter-trace-otlp-grpc') as typeof import('@opentelemetry/exporter-trace-otlp-grpc');
  return new OTLPTraceExporter(endpoint === '' ? {} : { url: `http://${endpoint}` });
}

/** With the flag a rate per million decides for requests that bring no decision; else the SDK's OTEL_TRACES_SAMPLER. */
function samplerOf(config: ProcessConfig): { sampler?: ParentBasedSampler } {
  const { endpoint, samplingPerMillion } = config.telemetry;
  if (endpoint === '' && samplingPerMillion === 0) return {};
  return { sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(samplingPerMillion / 1_000_000) }) };
}

function contextOf(parent: TraceContext): Context {
  return trace.setSpanContext(context.active(), {
    traceId: parent.traceId,
    spanId: parent.spanId,
    traceFlags: parent.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
  });
}

function wrap(span: OtelSpan): Span {
  const { traceId, spanId } = span.spanContext();
  return {
    context: { traceId, spanId, sampled: true },
    setAttributes: (attributes) => void span.setAttributes({ ...attributes }),
    end(error) {
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end();
    },
  };
}

/** A collector that is away must not hold up the end of a process: what it has not taken by then is lost. */
function withinTime(shutdown: Promise<void>): Promise<void> {
  const late = new Promise<void>((resolve) => {
    setTimeout(resolve, SHUTDOWN_MS).unref();
  });
  return Promise.race([shutdown.catch(() => undefined), late]);
}
