import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { encodePutRequest, encodeRangeRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { Cluster } from './support/cluster';
import { OtlpSink } from './support/otlp-sink';
import { waitFor } from './support/wait-for';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

function call(endpoint: string, path: string, request: Uint8Array, traceparent: string): Promise<Buffer> {
  const client = new Client(endpoint, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('traceparent', traceparent);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      Buffer.from(request),
      metadata,
      (error, response) => {
        client.close();
        if (error !== null) reject(error);
        else resolve(response ?? Buffer.alloc(0));
      },
    );
  });
}

describe('tracing', () => {
  let sink: OtlpSink;
  let cluster: Cluster;
  beforeAll(async () => {
    sink = new OtlpSink();
    const endpoint = await sink.start();
    cluster = await Cluster.start({
      members: 3,
      flags: ['--warning-unary-request-duration=1us'],
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${endpoint}` },
    });
  }, 60_000);
  afterAll(async () => {
    await cluster?.destroy();
    sink.stop();
  }, 60_000);

  test('exports the spans of one put from every process that worked for it, under its own service.name', async () => {
    const follower = cluster.members.find((member) => member !== undefined) ?? cluster.member(0);
    const traceparent = `00-${TRACE_ID}-00f067aa0ba902b7-01`;
    await call(
      follower.endpoint,
      KV_PATHS.Put,
      encodePutRequest({ key: Buffer.from('traced'), value: Buffer.from('v') }),
      traceparent,
    );
    const services = (): string[] =>
      [...new Set(sink.spans.filter(({ traceId }) => traceId === TRACE_ID).map(({ service }) => service))].sort();
    await waitFor('spans of proxy, raft and storage', () =>
      ['hexad-proxy', 'hexad-raft', 'hexad-storage'].every((name) => services().includes(name)),
    );
    const root = sink.spans.find(({ traceId, service }) => traceId === TRACE_ID && service === 'hexad-proxy');
    expect(root).toMatchObject({ name: 'etcdserverpb.KV/Put', parentSpanId: '00f067aa0ba902b7' });
    expect(follower.log).toContain(`"trace-id":"${TRACE_ID}"`);
  }, 30_000);

  test('exports the spans of a range', async () => {
    const traceId = `${TRACE_ID.slice(0, 31)}0`;
    await call(
      cluster.member(0).endpoint,
      KV_PATHS.Range,
      encodeRangeRequest({ key: Buffer.from('traced') }),
      `00-${traceId}-00f067aa0ba902b7-01`,
    );
    await waitFor('spans of proxy and storage', () =>
      ['hexad-proxy', 'hexad-storage'].every((name) =>
        sink.spans.some((span) => span.traceId === traceId && span.service === name),
      ),
    );
  }, 30_000);

  test('exports nothing for a request whose caller did not sample it', async () => {
    const traceId = `${TRACE_ID.slice(0, 31)}1`;
    await call(
      cluster.member(0).endpoint,
      KV_PATHS.Range,
      encodeRangeRequest({ key: Buffer.from('x') }),
      `00-${traceId}-00f067aa0ba902b7-00`,
    );
    const later = `${TRACE_ID.slice(0, 31)}2`;
    await call(
      cluster.member(0).endpoint,
      KV_PATHS.Range,
      encodeRangeRequest({ key: Buffer.from('x') }),
      `00-${later}-00f067aa0ba902b7-01`,
    );
    await waitFor('a later trace', () => sink.spans.some((span) => span.traceId === later));
    expect(sink.spans.filter((span) => span.traceId === traceId)).toEqual([]);
  }, 30_000);
});
