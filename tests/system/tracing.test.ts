import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { WRITE_STAGES } from '../../libs/attribution';
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
      flags: ['--warning-unary-request-duration=1us', '--slow-request-threshold=30s'],
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

  test('has a span of each process of each member that worked for a put, and one for each stage', async () => {
    const traceId = `${TRACE_ID.slice(0, 31)}7`;
    const request = encodePutRequest({ key: Buffer.from('traced'), value: Buffer.from('w') });
    await call(cluster.member(0).endpoint, KV_PATHS.Put, request, `00-${traceId}-00f067aa0ba902b7-01`);
    const of = () => sink.spans.filter((span) => span.traceId === traceId);
    const places = (): string[] => [...new Set(of().map(({ service, member }) => `${service}@${member}`))].sort();
    const wanted = ['hexad-proxy@m1', ...[1, 2, 3].flatMap((n) => [`hexad-raft@m${n}`, `hexad-storage@m${n}`])].sort();
    await waitFor('spans of all', () => wanted.every((place) => places().includes(place)));
    expect(places()).toEqual(wanted);
    const stages = (): string[] => of().flatMap(({ name }) => (name.startsWith('stage.') ? [name.slice(6)] : []));
    await waitFor('spans of stages', () => stages().length >= WRITE_STAGES.length); // they are made after the answer
    expect(stages().sort()).toEqual([...WRITE_STAGES].sort());
    const root = of().find(({ name }) => name === 'etcdserverpb.KV/Put');
    expect(
      new Set(
        of()
          .filter(({ name }) => name.startsWith('stage.'))
          .map(({ parentSpanId }) => parentSpanId),
      ),
    ).toEqual(new Set([root?.spanId]));
    const followers = of().filter(({ name }) => name === 'raft.append');
    expect(followers).toHaveLength(2);
    // The syncs of the WALs serve many requests: they link to this one.
    await waitFor('links', () => sink.spans.some(({ name, links }) => name === 'raft.sync' && links.includes(traceId)));
  }, 30_000);

  test('exports a request that failed though nobody sampled it', async () => {
    const traceId = `${TRACE_ID.slice(0, 31)}8`;
    const request = encodePutRequest({ value: Buffer.from('a key is missing') });
    const failure = call(cluster.member(0).endpoint, KV_PATHS.Put, request, `00-${traceId}-00f067aa0ba902b7-00`);
    await expect(failure).rejects.toThrow('key is not provided');
    await waitFor('its root span', () => sink.spans.some((span) => span.traceId === traceId && span.isError));
    const root = sink.spans.find((span) => span.traceId === traceId && span.isError);
    expect(root).toMatchObject({
      service: 'hexad-proxy',
      name: 'etcdserverpb.KV/Put',
      parentSpanId: '00f067aa0ba902b7',
    });
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

describe.each([
  ['http/protobuf', 'application/x-protobuf'],
  ['http/json', 'application/json'],
])('tracing by OTLP over %s', (protocol, contentType) => {
  let sink: OtlpSink;
  let cluster: Cluster;
  beforeAll(async () => {
    sink = new OtlpSink();
    const endpoint = await sink.startHttp();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${endpoint}`, OTEL_EXPORTER_OTLP_PROTOCOL: protocol };
    cluster = await Cluster.start({ env });
  }, 60_000);
  afterAll(async () => {
    await cluster?.destroy();
    sink.stop();
  }, 60_000);

  test('exports a put through the JSON gateway, whose caller names the trace in an HTTP header, stage by stage', async () => {
    const response = await fetch(`http://${cluster.member(0).endpoint}/v3/kv/put`, {
      method: 'POST',
      headers: { traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` },
      body: JSON.stringify({ key: 'dHJhY2Vk', value: 'dg==' }),
    });
    expect(response.status).toBe(200);
    const of = () => sink.spans.filter(({ traceId }) => traceId === TRACE_ID);
    await waitFor('spans of proxy, raft and storage', () =>
      ['hexad-proxy', 'hexad-raft', 'hexad-storage'].every((name) => of().some(({ service }) => service === name)),
    );
    await waitFor('a span of each stage', () => of().filter(({ name }) => name.startsWith('stage.')).length >= 10);
    const stages = (): string[] => of().flatMap(({ name }) => (name.startsWith('stage.') ? [name.slice(6)] : []));
    await waitFor('spans of stages', () => stages().length >= WRITE_STAGES.length); // they are made after the answer
    expect(stages().sort()).toEqual([...WRITE_STAGES].sort());
    const root = of().find(({ name }) => name === 'etcdserverpb.KV/Put');
    expect(root).toMatchObject({ service: 'hexad-proxy', parentSpanId: '00f067aa0ba902b7' });
    expect([...sink.contentTypes]).toEqual([contentType]);
  }, 30_000);
});
