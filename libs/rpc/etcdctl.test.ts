import { execFile, spawnSync } from 'node:child_process';
import {
  decodePutRequest,
  decodeRangeRequest,
  encodePutResponse,
  encodeRangeResponse,
  encodeWatchResponse,
  KV_PATHS,
  WATCH_PATHS,
} from '../../proto/gen/etcdserverpb';
import { type Address, createServer, type EngineName, type RpcServer } from './index';

// Time for a machine that does much else; grpc-js is slow.
jest.setTimeout(30_000);

const engines: readonly EngineName[] = ['native', 'grpc-js'];
const installed = spawnSync('etcdctl', ['version']).status === 0;

/** A stock client in Go against a server with just enough behind it. */
(installed ? describe : describe.skip).each(engines)('etcdctl (tool: etcdctl) with the %s server', (engine) => {
  let server: RpcServer;
  let address: Address;
  const store = new Map<string, Uint8Array>();
  const header = { revision: 7 };

  beforeAll(async () => {
    server = createServer({ engine, keepaliveMinTimeMs: 5000 });
    server.addHandlers({
      unary: {
        [KV_PATHS.Put]: (call) => {
          const { key, value } = decodePutRequest(call.request);
          store.set(Buffer.from(key).toString(), Uint8Array.from(value));
          call.reply(encodePutResponse({ header }));
        },
        [KV_PATHS.Range]: (call) => {
          const { key } = decodeRangeRequest(call.request);
          const value = store.get(Buffer.from(key).toString());
          if (value === undefined) call.fail({ code: 8, message: 'etcdserver: mvcc: database space exceeded' });
          else call.reply(encodeRangeResponse({ header, kvs: [{ key, value }], count: 1 }));
        },
      },
      stream: {
        [WATCH_PATHS.Watch]: (call) => {
          call.onMessage(() => {
            call.send(encodeWatchResponse({ header, created: true }));
            const kv = { key: Buffer.from('k'), value: Buffer.from('seen'), modRevision: 8 };
            // No end: etcdctl may notice the end of a stream before what came just ahead of it.
            call.send(encodeWatchResponse({ header, events: [{ kv }] }));
          });
        },
      },
    });
    address = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
  });
  afterAll(() => server.close());

  function etcdctl(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    const port = address.kind === 'tcp' ? address.port : 0;
    const options = { env: { ...process.env, ETCDCTL_API: '3' }, maxBuffer: 8_000_000 };
    return new Promise((resolve) => {
      const child = execFile('etcdctl', ['--endpoints', `127.0.0.1:${port}`, ...args], options, (_, stdout, stderr) => {
        resolve({ stdout, stderr });
      });
      if (args[0] !== 'watch') return;
      child.stdout?.on('data', (text: string) => {
        if (text.includes('seen')) child.kill();
      });
    });
  }

  test('puts and gets', async () => {
    expect((await etcdctl('put', 'a', 'one')).stdout).toBe('OK\n');
    expect((await etcdctl('get', 'a')).stdout).toBe('a\none\n');
  });

  test('reads large values and error texts', async () => {
    store.set('large', Buffer.alloc(1_500_000, 'x'));
    expect((await etcdctl('get', 'large')).stdout.length).toBe('large\n'.length + 1_500_001);
    expect((await etcdctl('get', 'none')).stderr).toContain('etcdserver: mvcc: database space exceeded');
  });

  test('watches', async () => {
    expect((await etcdctl('watch', 'k')).stdout).toContain('seen');
  });
});
