import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** The fields of OTLP's trace service that the tests look at; numbers are OTLP's. */
const OTLP = `
syntax = "proto3";
message AnyValue { string string_value = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Link { bytes trace_id = 1; }
message Status { int32 code = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5;
  repeated Link links = 13; Status status = 15;
}
message ScopeSpans { repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
message ExportTraceServiceResponse {}
`;

export const OTLP_EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  /** hexad.member of its resource. */
  readonly member: string;
  /** Trace ids. */
  readonly links: readonly string[];
  readonly isError: boolean;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
}

interface Decoded {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: {
      readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly stringValue: string } }>;
    };
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<{
        traceId: Uint8Array;
        spanId: Uint8Array;
        parentSpanId: Uint8Array;
        name: string;
        links: ReadonlyArray<{ traceId: Uint8Array }>;
        status: { code: number } | null;
      }>;
    }>;
  }>;
}

/** A real OTLP receiver, over gRPC or HTTP, that keeps what it is sent. */
export class OtlpSink {
  readonly spans: ReceivedSpan[] = [];
  /** Of what came over HTTP. */
  readonly contentTypes = new Set<string>();
  private http: HttpServer | undefined;
  private readonly server = new Server();
  private readonly request = protobuf.parse(OTLP).root.lookupType('ExportTraceServiceRequest');

  /** `onSpan` is told of each as it arrives, `onRequest` of what it came in. */
  constructor(
    private readonly onSpan: (span: ReceivedSpan) => void = () => undefined,
    private readonly onRequest: (request: Buffer) => void = () => undefined,
  ) {}

  async start(listen = '127.0.0.1:0', credentials = ServerCredentials.createInsecure()): Promise<string> {
    this.server.addService(
      {
        Export: {
          path: OTLP_EXPORT,
          requestStream: false,
          responseStream: false,
          requestSerialize: (bytes: Buffer) => bytes,
          requestDeserialize: (bytes: Buffer) => bytes,
          responseSerialize: (bytes: Buffer) => bytes,
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      },
      {
        Export: (call: { request: Buffer }, answer: (error: null, response: Buffer) => void) => {
          this.take(call.request);
          this.onRequest(call.request);
          answer(null, Buffer.alloc(0));
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      this.server.bindAsync(listen, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
    });
    return `127.0.0.1:${port}`;
  }

  /** The same over HTTP/1.1, in protobuf and in JSON, as `POST /v1/traces`. */
  async startHttp(): Promise<string> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const type = request.headers['content-type'] ?? '';
        const isKnown = request.method === 'POST' && request.url === '/v1/traces' && TYPES.includes(type);
        if (isKnown) this.takeHttp(type, Buffer.concat(chunks));
        response.writeHead(isKnown ? 200 : 400, { 'Content-Type': type }).end(type === JSON_TYPE ? '{}' : '');
      });
    });
    this.http = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  private takeHttp(type: string, body: Buffer): void {
    this.contentTypes.add(type);
    if (type === JSON_TYPE) this.keep(fromJson(JSON.parse(body.toString('utf8')) as JsonExport));
    else this.take(body);
  }

  private take(bytes: Buffer): void {
    this.keep(this.request.decode(bytes) as unknown as Decoded);
  }

  private keep(decoded: Decoded): void {
    const hex = (id: Uint8Array): string => Buffer.from(id).toString('hex');
    for (const { resource, scopeSpans } of decoded.resourceSpans) {
      const value = (name: string): string =>
        resource.attributes.find(({ key }) => key === name)?.value.stringValue ?? '';
      const [service, member] = [value('service.name'), value('hexad.member')];
      for (const received of scopeSpans.flatMap(({ spans }) => spans)) {
        const { name, traceId, spanId, parentSpanId } = received;
        const links = received.links.map((link) => hex(link.traceId));
        const isError = received.status?.code === 2;
        const ids = { traceId: hex(traceId), spanId: hex(spanId), parentSpanId: hex(parentSpanId) };
        const span = { service, member, links, isError, name, ...ids };
        this.spans.push(span);
        this.onSpan(span);
      }
    }
  }

  stop(): void {
    this.server.forceShutdown();
    this.http?.closeAllConnections();
    this.http?.close();
  }
}

const JSON_TYPE = 'application/json';
const TYPES = [JSON_TYPE, 'application/x-protobuf'];

/** OTLP's JSON, whose ids are hexadecimal. */
interface JsonExport {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: Decoded['resourceSpans'][number]['resource'];
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<{
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly links?: ReadonlyArray<{ readonly traceId: string }>;
        readonly status?: { readonly code?: number };
      }>;
    }>;
  }>;
}

function fromJson({ resourceSpans }: JsonExport): Decoded {
  const id = (hex = ''): Uint8Array => Buffer.from(hex, 'hex');
  return {
    resourceSpans: resourceSpans.map(({ resource, scopeSpans }) => ({
      resource,
      scopeSpans: scopeSpans.map(({ spans }) => ({
        spans: spans.map(({ traceId, spanId, parentSpanId, name, links, status }) => ({
          traceId: id(traceId),
          spanId: id(spanId),
          parentSpanId: id(parentSpanId),
          name,
          links: (links ?? []).map((link) => ({ traceId: id(link.traceId) })),
          status: { code: status?.code ?? 0 },
        })),
      })),
    })),
  };
}
