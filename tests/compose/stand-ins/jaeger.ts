import { createServer } from 'node:http';
import { OtlpSink, type ReceivedSpan } from '../../system/support/otlp-sink';

/** Takes OTLP in plain text, and answers the part of Jaeger's query API that the tests use. */
export async function standInJaeger(): Promise<void> {
  const sink = new OtlpSink();
  await sink.start('0.0.0.0:4317');
  createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const id = /^\/api\/traces\/([0-9a-f]+)$/.exec(pathname)?.[1];
    const data = id === undefined ? [] : traceOf(sink.spans.filter(({ traceId }) => traceId === id));
    response.writeHead(data.length > 0 ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ data }));
  }).listen(16_686);
  createServer((_, response) => response.end('ok\n')).listen(14_269); // its admin port, which tells of its health
}

function traceOf(spans: readonly ReceivedSpan[]): object[] {
  const [first] = spans;
  if (first === undefined) return [];
  const services = [...new Set(spans.map(({ service }) => service))];
  return [
    {
      traceID: first.traceId,
      spans: spans.map(({ spanId, name, service }) => ({ spanID: spanId, operationName: name, processID: service })),
      processes: Object.fromEntries(services.map((service) => [service, { serviceName: service }])),
    },
  ];
}
