import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Address,
  type Channel,
  connect,
  createServer,
  type EngineName,
  type RpcServer,
  type ServerOptions,
  type StreamCall,
  type UnaryCall,
  type UnaryResult,
} from './index';

// Time for a machine that does much else; grpc-js is slow.
jest.setTimeout(30_000);

const engines: readonly EngineName[] = ['native', 'grpc-js'];
const pairs = engines.flatMap((server) => engines.map((client) => [server, client] as const));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (view: Uint8Array): string => Buffer.from(view).toString();

describe.each(pairs)('%s server with %s client', (serverEngine, clientEngine) => {
  let directory: string;
  let server: RpcServer;
  let channel: Channel;
  let address: Address;

  async function start(options: ServerOptions = {}): Promise<void> {
    server = createServer({ engine: serverEngine, ...options });
    address = await server.listen({ kind: 'unix', path: join(directory, 's.sock') });
    channel = connect(address, { engine: clientEngine });
  }

  function unary(path: string, message: Uint8Array, options = {}): Promise<UnaryResult> {
    return new Promise((resolve) => channel.unary(path, message, options, resolve));
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
  });
  afterEach(async () => {
    channel?.close();
    await server?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('a unary call is answered with its bytes, metadata and trailers', async () => {
    await start();
    let seen: UnaryCall | undefined;
    server.addHandlers({
      unary: {
        '/t.T/Echo': (call) => {
          seen = call;
          call.reply(call.request, [['x-done', 'yes']]);
        },
      },
    });
    const result = await unary('/t.T/Echo', bytes('hello'), {
      metadata: [
        ['token', 'abc'],
        ['raw-bin', 'AAEC'],
      ],
      timeoutMs: 5000,
    });
    expect(result).toMatchObject({ ok: true, trailers: [['x-done', 'yes']] });
    expect(result.ok && text(result.response)).toBe('hello');
    expect(seen?.metadata).toContainEqual(['token', 'abc']);
    expect(seen?.metadata).toContainEqual(['raw-bin', 'AAEC']);
    expect((seen?.deadline ?? 0) - (seen?.receivedAt ?? 0)).toBeGreaterThan(4000);
  });

  test('an error is given with its code, text and trailers', async () => {
    await start();
    server.addHandlers({
      unary: { '/t.T/Fail': (call) => call.fail({ code: 5, message: 'etcdserver: nö 100%' }, [['x-why', 'no']]) },
    });
    const result = await unary('/t.T/Fail', bytes(''));
    expect(result).toMatchObject({ ok: false, error: { code: 5, message: 'etcdserver: nö 100%' } });
    expect(result.trailers).toContainEqual(['x-why', 'no']);
  });

  test('unknown methods and services are Unimplemented with the texts of grpc-go', async () => {
    await start();
    server.addHandlers({ unary: { '/t.T/Echo': (call) => call.reply(call.request) } });
    const method = await unary('/t.T/Nope', bytes(''));
    const service = await unary('/t.X/Echo', bytes(''));
    expect(method).toMatchObject({ ok: false, error: { code: 12, message: 'unknown method Nope for service t.T' } });
    expect(service).toMatchObject({ ok: false, error: { code: 12, message: 'unknown service t.X' } });
  });

  test('mistakes of a peer are told with its address, once per connection', async () => {
    const problems: string[] = [];
    await start({ maxReceiveBytes: 1000, onProtocolError: (peer, reason) => problems.push(`${peer}: ${reason}`) });
    server.addHandlers({ unary: { '/t.T/Echo': (call) => call.reply(call.request) } });
    await unary('/t.T/Nope', bytes(''));
    await unary('/t.T/Nope', bytes(''));
    await unary('/t.T/Echo', new Uint8Array(1001));
    expect(problems).toEqual(['unix: unknown method Nope for service t.T']);
    const other = connect(address, { engine: clientEngine });
    await new Promise((resolve) => other.unary('/t.T/Echo', new Uint8Array(1001), {}, resolve));
    other.close();
    expect(problems.slice(1)).toEqual(['unix: /t.T/Echo: grpc: received message larger than max (1001 vs. 1000)']);
  });

  test('a request over the limit is ResourceExhausted with the text of grpc-go', async () => {
    await start({ maxReceiveBytes: 1000 });
    server.addHandlers({ unary: { '/t.T/Echo': (call) => call.reply(call.request) } });
    const result = await unary('/t.T/Echo', new Uint8Array(1001));
    expect(result).toMatchObject({
      ok: false,
      error: { code: 8, message: 'grpc: received message larger than max (1001 vs. 1000)' },
    });
  });

  test('a stream carries messages both ways in order until both sides have ended', async () => {
    await start();
    server.addHandlers({
      stream: {
        '/t.T/Chat': (call) => {
          call.onMessage((message) => call.send(bytes(`<${text(message)}>`)));
          call.onHalfClose(() => call.end(undefined, [['x-end', '1']]));
        },
      },
    });
    const got: string[] = [];
    const ended = await new Promise((resolve) => {
      const stream = channel.stream('/t.T/Chat');
      stream.onHeaders(() => got.push('headers'));
      stream.onMessage((message) => got.push(text(message)));
      stream.onClose((error, trailers) => resolve({ error, trailers }));
      for (const part of ['a', 'b', 'c']) stream.send(bytes(part));
      stream.halfClose();
    });
    expect(got).toEqual(['headers', '<a>', '<b>', '<c>']);
    expect(ended).toEqual({ error: undefined, trailers: [['x-end', '1']] });
  });

  test('a cancelled unary call reaches the handler and its late answer is dropped', async () => {
    await start();
    const arrived = new Promise<UnaryCall>((resolve) => server.addHandlers({ unary: { '/t.T/Hang': resolve } }));
    const result = new Promise<UnaryResult>((resolve) => {
      const cancel = channel.unary('/t.T/Hang', bytes(''), {}, resolve);
      void arrived.then((call) => {
        call.onCancel(() => call.reply(bytes('late')));
        cancel();
      });
    });
    expect(await result).toMatchObject({ ok: false, error: { code: 1 } });
    const call = await arrived;
    await new Promise<void>((resolve) => {
      const poll = (): unknown => (call.cancelled ? resolve() : setImmediate(poll));
      poll();
    });
  });

  test('a deadline ends the call on both sides', async () => {
    await start();
    let cancelled: () => void = () => {};
    const serverSide = new Promise<void>((resolve) => {
      cancelled = resolve;
    });
    server.addHandlers({ unary: { '/t.T/Hang': (call) => call.onCancel(cancelled) } });
    const result = await unary('/t.T/Hang', bytes(''), { timeoutMs: 500 });
    expect(result).toMatchObject({ ok: false, error: { code: 4 } });
    await serverSide;
  });

  test('a stream handler learns that the client is gone, also from its connection', async () => {
    await start();
    const arrived = new Promise<StreamCall>((resolve) => server.addHandlers({ stream: { '/t.T/Chat': resolve } }));
    channel.stream('/t.T/Chat').onClose(() => {});
    const call = await arrived;
    const connectionEnded = new Promise<void>((resolve) => call.connection.onClose(resolve));
    const ended = new Promise<void>((resolve) => call.onClose(resolve));
    channel.close();
    await server.close();
    await Promise.all([connectionEnded, ended]);
    expect(call.connection.remoteAddress).toBe('unix');
  });

  test('HTTP/1.1 on the same port is handed to the HTTP handler', async () => {
    await start({ http1: { request: (request, response) => response.end(`path ${request.url}`) } });
    if (address.kind !== 'unix') throw new Error('unix');
    const socketPath = address.path;
    const body = await new Promise<string>((resolve, reject) => {
      httpRequest({ socketPath, path: '/health' }, (response) => {
        let all = '';
        response.on('data', (chunk: Buffer) => {
          all += chunk.toString();
        });
        response.on('end', () => resolve(all));
      })
        .on('error', reject)
        .end();
    });
    expect(body).toBe('path /health');
  });

  test('drain lets a running unary call finish and refuses new connections', async () => {
    await start();
    const arrived = new Promise<UnaryCall>((resolve) => server.addHandlers({ unary: { '/t.T/Slow': resolve } }));
    const result = unary('/t.T/Slow', bytes('x'));
    const call = await arrived;
    const drained = server.drain(5000);
    call.reply(bytes('done'));
    expect(await result).toMatchObject({ ok: true });
    await drained;
  });

  test('a call to nobody is Unavailable', async () => {
    channel = connect({ kind: 'unix', path: join(directory, 'none.sock') }, { engine: clientEngine });
    expect(await unary('/t.T/Echo', bytes(''))).toMatchObject({ ok: false, error: { code: 14 } });
  });

  test('a reader that pauses after each message gets all of them before the end', async () => {
    await start();
    server.addHandlers({
      stream: {
        '/t.T/Count': (call) =>
          call.onMessage(() => {
            for (let i = 0; i < 10; i += 1) call.send(bytes(String(i)));
            call.end();
          }),
      },
    });
    const stream = channel.stream('/t.T/Count');
    const got: string[] = [];
    await new Promise<void>((resolve) => {
      stream.onMessage((message) => {
        got.push(text(message));
        stream.pause();
        setImmediate(() => setImmediate(() => stream.resume()));
      });
      stream.onClose(() => resolve());
      stream.send(bytes('go'));
      stream.halfClose();
    });
    expect(got.join('')).toBe('0123456789');
  });
});
