import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { BatchClient, batchHandler, type BatchReply, createServer, type EngineName, type RpcServer } from './index';
import { decodeCallBatch, decodeReplyBatch, encodeCallBatch, encodeReplyBatch, BatchFormatError } from './batch-codec';

// Time for a machine that does much else; grpc-js is slow.
jest.setTimeout(30_000);

const engines: readonly EngineName[] = ['native', 'grpc-js'];

describe('batch codec', () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const safe = fc.maxSafeNat();
  const call = fc.record({
    id: safe,
    method: fc.nat(),
    payload: bytes,
    requiredIndex: safe,
    user: fc.string(),
    authRevision: safe,
    trace: bytes,
  });
  const reply = fc.record({ id: safe, error: fc.nat(), errorDetail: fc.string(), payload: bytes, workMicros: safe });

  test('what is encoded is decoded alike', () => {
    fc.assert(
      fc.property(fc.array(call), fc.array(reply), (calls, replies) => {
        expect(
          decodeCallBatch(encodeCallBatch(calls)).map((c) => ({
            ...c,
            payload: Uint8Array.from(c.payload),
            trace: Uint8Array.from(c.trace),
          })),
        ).toEqual(calls);
        expect(
          decodeReplyBatch(encodeReplyBatch(replies)).map((r) => ({ ...r, payload: Uint8Array.from(r.payload) })),
        ).toEqual(replies);
      }),
    );
  });

  test('arbitrary bytes are decoded or refused, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (input) => {
        for (const decode of [decodeCallBatch, decodeReplyBatch]) {
          try {
            decode(input);
          } catch (error) {
            expect(error).toBeInstanceOf(BatchFormatError);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe.each(engines)('batched calls on %s', (engine) => {
  let directory: string;
  let server: RpcServer;
  let client: BatchClient;
  const lostError = 901;
  const busyError = 902;
  const unavailableError = 903;

  function connectClient(limits: { maxPendingCalls?: number } = {}): Promise<void> {
    return new Promise((resolve) => {
      client = new BatchClient({
        address: { kind: 'unix', path: join(directory, 's.sock') },
        channelOptions: { engine },
        path: '/t.T/Calls',
        lostError,
        busyError,
        unavailableError,
        onOpen: resolve,
        ...limits,
      });
    });
  }

  function call(method: number, payload: string): Promise<BatchReply> {
    return new Promise((resolve) => client.call(method, Buffer.from(payload), {}, resolve));
  }

  async function startServer(): Promise<number[]> {
    const sizes: number[] = [];
    server = createServer({ engine });
    server.addHandlers({
      stream: {
        '/t.T/Calls': batchHandler((calls, peer) => {
          sizes.push(calls.length);
          for (const { id, method, payload } of [...calls].reverse()) {
            if (method === 1) peer.reply(id, 0, payload);
            if (method === 2) peer.reply(id, 77, undefined, 'why');
          }
        }),
      },
    });
    await server.listen({ kind: 'unix', path: join(directory, 's.sock') });
    return sizes;
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
  });
  afterEach(async () => {
    client.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('calls of one turn leave as one batch and are answered by id', async () => {
    const sizes = await startServer();
    await connectClient();
    const replies = await Promise.all(Array.from({ length: 100 }, (_, i) => call(1, `p${i}`)));
    expect(replies.map((reply) => Buffer.from(reply.payload).toString())).toEqual(
      Array.from({ length: 100 }, (_, i) => `p${i}`),
    );
    expect(sizes).toEqual([100]);
    expect(await call(2, '')).toMatchObject({ error: 77, errorDetail: 'why' });
  });

  test('when the link breaks all that was under way is lost, and later calls work on the new link', async () => {
    await startServer();
    await connectClient();
    const pending = Promise.all([call(3, 'a'), call(3, 'b')]);
    await call(1, 'arrived');
    await server.close();
    expect((await pending).map((reply) => reply.error)).toEqual([lostError, lostError]);
    expect((await call(1, 'down')).error).toBe(unavailableError);
    const sizes = await startServer();
    let reply = await call(1, 'again');
    while (reply.error === unavailableError) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      reply = await call(1, 'again');
    }
    expect(reply.error).toBe(0);
    expect(sizes).toEqual([1]);
  });

  test('calls over the limit are refused at once', async () => {
    await startServer();
    await connectClient({ maxPendingCalls: 2 });
    const replies = await Promise.all([call(1, 'a'), call(1, 'b'), call(1, 'c')]);
    expect(replies.map((reply) => reply.error)).toEqual([0, 0, busyError]);
  });
});
