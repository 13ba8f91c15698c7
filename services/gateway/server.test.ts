import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { createLogger } from '../../libs/process';
import type { GatewayConfig, HostPort } from './config';
import type { Lookup } from './resolver';
import { Gateway } from './server';

/** A proxy that says its name to whoever connects, then echoes. */
class Echo {
  readonly sockets = new Set<Socket>();
  private server: Server = this.create();

  constructor(
    readonly name: string,
    public port = 0,
  ) {}

  async start(): Promise<this> {
    this.server = this.create();
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    const address = this.server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
    return this;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (this.server.listening) await new Promise((resolve) => this.server.close(resolve));
  }

  private create(): Server {
    return createServer({ allowHalfOpen: true }, (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      socket.write(`${this.name}\n`);
      socket.pipe(socket);
    });
  }
}

const logger = createLogger('gateway', 'fatal', '');
const local = (port: number): HostPort => ({ host: '127.0.0.1', port });

describe('a gateway', () => {
  const echoes: Echo[] = [];
  const gateways: Gateway[] = [];
  const clients: Socket[] = [];

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await Promise.all(gateways.splice(0).map((gateway) => gateway.drain(0)));
    await Promise.all(echoes.splice(0).map((echo) => echo.stop()));
  });

  async function echo(name: string): Promise<Echo> {
    const made = await new Echo(name).start();
    echoes.push(made);
    return made;
  }

  async function gateway(
    endpoints: readonly HostPort[],
    changes: Partial<GatewayConfig> = {},
    find?: Lookup,
  ): Promise<{ gateway: Gateway; port: number }> {
    const config: GatewayConfig = {
      listen: local(0),
      endpoints,
      retryDelayMs: 60_000,
      healthCheckIntervalMs: 20,
      connectTimeoutMs: 1_000,
      resolveIntervalMs: 20,
      drainTimeoutMs: 1_000,
      connectionsMax: 1_000,
      log: { level: 'fatal', format: 'json', outputs: ['default'], rotation: null },
      warnings: [],
      ...changes,
    };
    const made = new Gateway(config, logger, find);
    gateways.push(made);
    return { gateway: made, port: (await made.start()).port };
  }

  function client(port: number): Socket {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined);
    clients.push(socket);
    return socket;
  }

  /** Name of the proxy that answered, or undefined: the connection was ended. */
  async function greeted(socket: Socket): Promise<string | undefined> {
    return new Promise((resolve) => {
      socket.once('data', (data: Buffer) => resolve(data.toString('latin1').split('\n')[0]));
      socket.once('close', () => resolve(undefined));
      socket.once('end', () => resolve(undefined));
    });
  }

  /** Asks with fresh connections until `wanted` answers. */
  async function until(port: number, wanted: (name: string | undefined) => boolean): Promise<void> {
    for (;;) {
      const socket = client(port);
      const name = await greeted(socket);
      socket.destroy();
      if (wanted(name)) return;
    }
  }

  test('spreads connections over all proxies', async () => {
    const [a, b, c] = [await echo('a'), await echo('b'), await echo('c')];
    const { port } = await gateway([a, b, c].map(({ port: one }) => local(one)));
    const names = await Promise.all(Array.from({ length: 9 }, () => greeted(client(port))));
    expect(names.map(String).sort((a, b) => a.localeCompare(b))).toEqual(['a', 'a', 'a', 'b', 'b', 'b', 'c', 'c', 'c']);
  });

  test('changes no byte of 8 MB each way, and passes on that one side is done', async () => {
    const a = await echo('a');
    const { port } = await gateway([local(a.port)]);
    const sent = randomBytes(8 * 1024 * 1024);
    const socket = client(port);
    const hash = createHash('sha256');
    let received = -2; // the greeting
    socket.on('data', (data: Buffer) => {
      received += data.length;
      hash.update(data);
    });
    socket.end(sent);
    await once(socket, 'end');
    expect(received).toBe(sent.length);
    expect(hash.digest('hex')).toBe(createHash('sha256').update('a\n').update(sent).digest('hex'));
  });

  test('a proxy that refuses is passed over, before the client notices, and used again once it is back', async () => {
    const [a, b] = [await echo('a'), await echo('b')];
    const { port } = await gateway([local(a.port), local(b.port)]);
    await a.stop();
    const names = await Promise.all(Array.from({ length: 6 }, () => greeted(client(port))));
    expect(names).toEqual(['b', 'b', 'b', 'b', 'b', 'b']);
    await a.start();
    await until(port, (name) => name === 'a');
  });

  test('with nobody there the connection is ended', async () => {
    const a = await echo('a');
    const { port } = await gateway([local(a.port)]);
    await a.stop();
    expect(await greeted(client(port))).toBeUndefined();
  });

  test('all that a name stands for is used, and what it stands for may change', async () => {
    const a = await echo('a');
    let found = [{ address: '127.0.0.1', family: 4 }];
    const find: Lookup = () => Promise.resolve(found);
    const { port } = await gateway([{ host: 'proxy', port: a.port }], {}, find);
    expect(await greeted(client(port))).toBe('a');
    // Another address of this host with the same port.
    const server = createServer((socket) => socket.on('error', () => undefined).end('b\n'));
    server.listen(a.port, '127.0.0.2');
    await once(server, 'listening');
    found = [{ address: '127.0.0.2', family: 4 }];
    await until(port, (name) => name === 'b');
    await new Promise((resolve) => server.close(resolve));
  });

  test('a name that can be looked up only later does not keep it from starting', async () => {
    const a = await echo('a');
    let isKnown = false;
    const find: Lookup = () =>
      isKnown ? Promise.resolve([{ address: '127.0.0.1', family: 4 }]) : Promise.reject(new Error('ENOTFOUND proxy'));
    const { port } = await gateway([{ host: 'proxy', port: a.port }], {}, find);
    expect(await greeted(client(port))).toBeUndefined();
    isKnown = true;
    await until(port, (name) => name === 'a');
  });

  test('told to stop it takes no connection, lets those there end, and cuts what stays', async () => {
    const a = await echo('a');
    const { gateway: one, port } = await gateway([local(a.port)]);
    const [patient, stubborn] = [client(port), client(port)];
    await Promise.all([greeted(patient), greeted(stubborn)]);
    const drained = one.drain(500);
    expect(await greeted(client(port))).toBeUndefined();
    patient.write('still here');
    expect(await greeted(patient)).toBe('still here');
    patient.end();
    await drained;
    expect(one.connections).toBe(0);
  });

  test('a client that does not read makes it take no more than a few buffers from the proxy', async () => {
    const flood = Buffer.alloc(65_536);
    const sending: Socket[] = [];
    const a = createServer((socket) => {
      socket.on('error', () => undefined);
      sending.push(socket);
      const more = (): void => {
        while (socket.bytesWritten < 1 << 28 && socket.write(flood));
      };
      socket.on('drain', more);
      more();
    });
    a.listen(0, '127.0.0.1');
    await once(a, 'listening');
    const address = a.address();
    // No checks: their connections would be flooded as well.
    const { port } = await gateway([local(typeof address === 'object' && address !== null ? address.port : 0)], {
      healthCheckIntervalMs: 0,
    });
    const socket = client(port);
    socket.pause();
    await once(socket, 'connect');
    const sent = (): number => sending.reduce((sum, one) => sum + one.bytesWritten, 0);
    for (let before = -1, same = 0; same < 10; before = sent()) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      same = sent() > 0 && sent() === before ? same + 1 : 0;
    }
    expect(sent()).toBeLessThan(64 * 1024 * 1024); // what the kernel holds for four sockets, mostly
    socket.destroy();
    for (const one of sending) one.destroy();
    await new Promise((resolve) => a.close(resolve));
  });
});
