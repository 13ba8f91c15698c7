import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { connect as connectNet } from 'node:net';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Address,
  type Channel,
  connect,
  createServer,
  type EngineName,
  type RpcServer,
  type UnaryCall,
  type UnaryResult,
} from './index';

// Time for a machine that does much else; grpc-js is slow.
jest.setTimeout(30_000);

const engines: readonly EngineName[] = ['native', 'grpc-js'];
const pairs = engines.flatMap((server) => engines.map((client) => [server, client] as const));
const pem = (name: string): Buffer => readFileSync(join(__dirname, 'testdata/tls', name));
const ca = pem('ca.crt');
const serverTls = { cert: pem('server.crt'), key: pem('server.key'), ca };
const clientTls = { ca, cert: pem('client.crt'), key: pem('client.key') };

function callOnce(channel: Channel, path: string, message: Uint8Array): Promise<UnaryResult> {
  return new Promise((resolve) => channel.unary(path, message, { timeoutMs: 10_000 }, resolve));
}

describe.each(pairs)('TLS, %s server with %s client', (serverEngine, clientEngine) => {
  let server: RpcServer;
  let channel: Channel | undefined;
  let address: Address;
  let seen: UnaryCall | undefined;
  let problems: string[];

  async function start(clientCertAuth: boolean): Promise<void> {
    problems = [];
    server = createServer({
      engine: serverEngine,
      tls: { ...serverTls, clientCertAuth },
      http1: { request: (_, response) => response.end('hello') },
      onProtocolError: (_, reason) => problems.push(reason),
    });
    server.addHandlers({
      unary: {
        '/t.T/Echo': (call) => {
          seen = call;
          call.reply(call.request);
        },
      },
    });
    address = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
  }

  afterEach(async () => {
    channel?.close();
    channel = undefined;
    await server.close();
  });

  test('a call over TLS carries the name in the client certificate', async () => {
    await start(true);
    channel = connect(address, { engine: clientEngine, tls: clientTls });
    expect(await callOnce(channel, '/t.T/Echo', Buffer.from('secret'))).toMatchObject({ ok: true });
    expect(seen?.connection.clientCommonName).toBe('alice');
    expect(seen?.connection.encrypted).toBe(true);
    expect(seen?.connection.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('a client without a certificate is refused where one is required', async () => {
    await start(true);
    channel = connect(address, { engine: clientEngine, tls: { ca } });
    expect(await callOnce(channel, '/t.T/Echo', Buffer.alloc(0))).toMatchObject({ ok: false, error: { code: 14 } });
  });

  test('a server that is not trusted is not called', async () => {
    await start(false);
    channel = connect(address, { engine: clientEngine, tls: {} });
    expect(await callOnce(channel, '/t.T/Echo', Buffer.alloc(0))).toMatchObject({ ok: false, error: { code: 14 } });
  });

  test('HTTP/1.1 by ALPN goes to the HTTP handler', async () => {
    await start(false);
    if (address.kind !== 'tcp') throw new Error('tcp');
    const { port } = address;
    const body = await new Promise<string>((resolve, reject) => {
      httpsRequest({ host: '127.0.0.1', port, ca, path: '/', agent: false }, (response) => {
        response.on('data', (chunk: Buffer) => resolve(chunk.toString()));
      })
        .on('error', reject)
        .end();
    });
    expect(body).toBe('hello');
  });

  test('a TLS handshake that never goes on does not disturb others', async () => {
    await start(false);
    if (address.kind !== 'tcp') throw new Error('tcp');
    const halfOpen = Array.from({ length: 50 }, () => connectNet((address as { port: number }).port, '127.0.0.1'));
    for (const socket of halfOpen) socket.on('error', () => {}).write(Buffer.from('160301', 'hex'));
    channel = connect(address, { engine: clientEngine, tls: { ca } });
    expect(await callOnce(channel, '/t.T/Echo', Buffer.alloc(0))).toMatchObject({ ok: true });
    for (const socket of halfOpen) socket.destroy();
  });
});

describe.each(pairs)('large and many messages, %s server with %s client', (serverEngine, clientEngine) => {
  let directory: string;
  let server: RpcServer;
  let channel: Channel;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
    server = createServer({ engine: serverEngine, highWaterBytes: 256 * 1024 });
    const address = await server.listen({ kind: 'unix', path: join(directory, 's.sock') });
    channel = connect(address, { engine: clientEngine, highWaterBytes: 256 * 1024 });
  });
  afterEach(async () => {
    channel.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('a message of 6 MB goes both ways unharmed', async () => {
    server.addHandlers({ unary: { '/t.T/Echo': (call) => call.reply(call.request) } });
    const message = Buffer.alloc(6_000_000);
    for (let i = 0; i < message.length; i += 997) message[i] = i % 251;
    const result = await callOnce(channel, '/t.T/Echo', message);
    expect(result.ok && Buffer.compare(result.response, message)).toBe(0);
  });

  test('a thousand concurrent calls are answered each with its own bytes', async () => {
    server.addHandlers({
      unary: { '/t.T/Echo': (call) => void setImmediate(() => call.reply(call.request, [['x-n', 'y']])) },
    });
    const results = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => callOnce(channel, '/t.T/Echo', Buffer.from(`message ${i}`))),
    );
    expect(results.map((each) => each.ok && Buffer.from(each.response).toString())).toEqual(
      Array.from({ length: 1000 }, (_, i) => `message ${i}`),
    );
  });

  test('a fast sender is held back by a paused reader and goes on when it resumes', async () => {
    let sent = 0;
    let held: () => void = () => {};
    const heldBack = new Promise<void>((resolve) => {
      held = resolve;
    });
    const total = 400;
    server.addHandlers({
      stream: {
        '/t.T/Flood': (call) => {
          const go = (): void => {
            while (sent < total) {
              sent++;
              if (!call.send(Buffer.alloc(100_000, sent % 256))) {
                held();
                return;
              }
            }
            call.end();
          };
          call.onDrain(go);
          go();
        },
      },
    });
    const stream = channel.stream('/t.T/Flood');
    let received = 0;
    const ended = new Promise<void>((resolve) => stream.onClose(() => resolve()));
    stream.onMessage((message) => {
      expect(message.length).toBe(100_000);
      expect(message[99_999]).toBe(++received % 256);
      if (received !== 1) return;
      stream.pause();
      void heldBack.then(() => {
        expect(sent).toBeLessThan(total);
        stream.resume();
      });
    });
    stream.send(Buffer.from('go'));
    await ended;
    expect(received).toBe(total);
  });

  test('a client stream of many messages arrives in order', async () => {
    const count = 2000;
    const all = new Promise<number>((resolve) => {
      server.addHandlers({
        stream: {
          '/t.T/Up': (call) => {
            let next = 0;
            call.onMessage((message) => {
              if (Buffer.from(message).readUInt32BE(0) === next) next++;
            });
            call.onHalfClose(() => {
              call.end();
              resolve(next);
            });
          },
        },
      });
    });
    const stream = channel.stream('/t.T/Up');
    stream.onClose(() => {});
    for (let i = 0; i < count; i++) {
      const message = Buffer.alloc(40);
      message.writeUInt32BE(i, 0);
      stream.send(message);
    }
    stream.halfClose();
    expect(await all).toBe(count);
  });
});

describe('what is not gRPC on the native engine', () => {
  test('a request over HTTP/2 that is not gRPC is answered by the HTTP handler', async () => {
    const server = createServer({
      engine: 'native',
      http1: {
        request: (request, response) => {
          const parts: Buffer[] = [];
          request.on('data', (chunk: Buffer) => parts.push(chunk));
          request.on('end', () => {
            response.setHeader('x-method', request.method ?? '');
            response.end(`${request.url} ${request.headers.host} ${Buffer.concat(parts).toString()}`);
          });
        },
      },
    });
    const address = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    if (address.kind !== 'tcp') throw new Error('tcp');
    const session = connectHttp2(`http://127.0.0.1:${address.port}`);
    const stream = session.request({ ':method': 'POST', ':path': '/v3/kv/range', 'content-type': 'application/json' });
    const headers = await new Promise<Record<string, unknown>>((resolve) => {
      stream.on('response', resolve);
      stream.end('{"key":"YQ=="}');
    });
    let body = '';
    for await (const chunk of stream) body += String(chunk);
    expect(headers).toMatchObject({ ':status': 200, 'x-method': 'POST' });
    expect(body).toBe(`/v3/kv/range 127.0.0.1:${address.port} {"key":"YQ=="}`);
    session.close();
    await server.close();
  });

  test('without an HTTP handler a wrong content-type is 415', async () => {
    const server = createServer({ engine: 'native' });
    const address = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    if (address.kind !== 'tcp') throw new Error('tcp');
    const session = connectHttp2(`http://127.0.0.1:${address.port}`);
    const stream = session.request({ ':method': 'POST', ':path': '/t.T/Echo', 'content-type': 'text/plain' });
    const headers = await new Promise((resolve) => {
      stream.on('response', resolve);
      stream.end('x');
    });
    stream.resume();
    expect(headers).toMatchObject({
      ':status': 415,
      'grpc-status': '3',
      'grpc-message': 'invalid gRPC request content-type "text/plain"',
    });
    session.close();
    await server.close();
  });
});
