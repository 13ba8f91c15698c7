import { generate } from 'selfsigned';
import { connect, createServer } from './connect';
import type { Address, EngineName, RpcServer, UnaryCall } from './types';
import type { MutualTls } from './transport-types';

interface Pair {
  readonly cert: string;
  readonly private: string;
}

const PATH = '/test.Service/Who';

function authority(): Promise<Pair> {
  return generate([{ name: 'commonName', value: 'authority' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
}

async function holder(ca: Pair, role: string, hosts: readonly string[], clientRoles: string[]): Promise<MutualTls> {
  const made = await generate([{ name: 'commonName', value: role }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca: { cert: ca.cert, key: ca.private },
    extensions: [
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      { name: 'subjectAltName', altNames: hosts.map((value) => ({ type: 2 as const, value })) },
    ],
  });
  const [cert, key] = [Buffer.from(made.cert), Buffer.from(made.private)];
  return { ca: Buffer.from(ca.cert), cert, key, clientRoles, roleOfNumbers: 'watch' };
}

describe.each<EngineName>(['native', 'grpc-js'])('siblings over TCP, engine %s', (engine) => {
  const servers: RpcServer[] = [];
  const problems: string[] = [];
  let ours: Pair;
  let foreign: Pair;
  beforeAll(async () => {
    [ours, foreign] = [await authority(), await authority()];
  });
  afterEach(async () => {
    problems.length = 0;
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });

  async function serve(mutualTls: MutualTls): Promise<number> {
    const server = createServer({ engine, onProtocolError: (_, reason) => problems.push(reason) });
    server.addHandlers({
      unary: { [PATH]: (call: UnaryCall) => call.reply(Buffer.from(call.connection.clientCommonName ?? '')) },
    });
    servers.push(server);
    const bound = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0, mutualTls });
    return bound.kind === 'tcp' ? bound.port : 0;
  }

  /** What the server calls the caller, or why the call failed. */
  function ask(address: Address): Promise<string> {
    const channel = connect(address, { engine, connectTimeoutMs: 5_000 });
    return new Promise((resolve) => {
      channel.unary(PATH, Buffer.alloc(0), { timeoutMs: 5_000 }, (result) => {
        channel.close();
        resolve(result.ok ? Buffer.from(result.response).toString() : `failed: ${result.error.message}`);
      });
    });
  }

  const dialled = (host: string, port: number, mutualTls?: MutualTls): Address => ({
    kind: 'tcp',
    host,
    port,
    ...(mutualTls === undefined ? {} : { mutualTls }),
  });

  test('a role that may connect is let in, by the name in the certificate', async () => {
    const port = await serve(await holder(ours, 'raft', ['localhost'], ['proxy']));
    expect(await ask(dialled('localhost', port, await holder(ours, 'proxy', [], [])))).toBe('proxy');
  });

  test('a role that may not connect is cut off, and the log says why', async () => {
    const port = await serve(await holder(ours, 'raft', ['localhost'], ['proxy']));
    expect(await ask(dialled('localhost', port, await holder(ours, 'collector', [], [])))).toMatch(/^failed/);
    expect(problems).toContain('the role "collector" may not connect here');
  });

  test('nobody gets in with a certificate of another authority, or in plain text', async () => {
    const port = await serve(await holder(ours, 'raft', ['localhost'], ['proxy']));
    const stranger = { ...(await holder(foreign, 'proxy', [], [])), ca: Buffer.from(ours.cert) };
    expect(await ask(dialled('localhost', port, stranger))).toMatch(/^failed/);
    expect(await ask(dialled('localhost', port))).toMatch(/^failed/);
  });

  test('a server of another authority, or with another name, is not talked to', async () => {
    const proxy = await holder(ours, 'proxy', [], []);
    const strange = await serve(await holder(foreign, 'raft', ['localhost'], ['proxy']));
    expect(await ask(dialled('localhost', strange, proxy))).toMatch(/^failed/);
    const renamed = await serve(await holder(ours, 'raft', ['m2-raft'], ['proxy']));
    expect(await ask(dialled('localhost', renamed, proxy))).toMatch(/^failed/);
  });

  test('behind a number only a hub is talked to', async () => {
    const proxy = await holder(ours, 'proxy', [], []);
    const hub = await serve(await holder(ours, 'watch', ['watch'], ['proxy']));
    expect(await ask(dialled('127.0.0.1', hub, proxy))).toBe('proxy');
    const raft = await serve(await holder(ours, 'raft', ['m1-raft'], ['proxy']));
    expect(await ask(dialled('127.0.0.1', raft, proxy))).toMatch(/^failed/);
  });
});
