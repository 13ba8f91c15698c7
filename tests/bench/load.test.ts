import { createServer, type RpcServer, type UnaryCall } from '../../libs/rpc';
import { GrpcCode } from '../../libs/errors';
import { encodePutResponse, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { KEYS } from './keys';
import { Load, type LoadOptions, type LoadResult, type Phases, TOO_MANY_REQUESTS } from './load';
import { put } from './requests';

const ANSWER = encodePutResponse({ header: { revision: 1 } });
const STALL_MS = 400;

/** A server that answers puts at once, except while it stalls. */
class StubServer {
  private readonly server: RpcServer = createServer({ engine: 'native' });
  private readonly waiting: UnaryCall[] = [];
  private stalled = false;
  answer = (call: UnaryCall): void => call.reply(ANSWER);

  async listen(): Promise<number> {
    this.server.addHandlers({
      unary: { [KV_PATHS.Put]: (call) => (this.stalled ? void this.waiting.push(call) : this.answer(call)) },
    });
    const address = await this.server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    return address.kind === 'tcp' ? address.port : 0;
  }

  stall(): void {
    this.stalled = true;
    setTimeout(() => {
      this.stalled = false;
      for (const call of this.waiting.splice(0)) this.answer(call);
    }, STALL_MS);
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

let server: StubServer;
let port = 0;
beforeEach(async () => {
  server = new StubServer();
  port = await server.listen();
});
afterEach(() => server.close());

const none: Phases = { onMeasure: () => undefined, onDone: () => undefined };

function run(options: Partial<LoadOptions>, phases: Phases = none): Promise<LoadResult> {
  const base = { ports: [port], clients: 1, connections: 1, warmUpMs: 50, measureMs: 800, rate: undefined };
  return new Load({ ...base, ...options }, put, new Float64Array(KEYS)).run(phases);
}

const stalling: Phases = { onMeasure: () => server.stall(), onDone: () => undefined };

test('an open loop charges a stall to every request that was due meanwhile', async () => {
  const { latencies, errors } = await run({ rate: 500 }, stalling);
  // Half of the time the server stood still, so a quarter of the requests waited for more than half of that.
  expect(latencies.quantile(0.8)).toBeGreaterThan(STALL_MS / 4);
  expect(latencies.max).toBeGreaterThan(STALL_MS * 0.9);
  expect(latencies.count).toBeGreaterThan(350);
  expect(errors.size).toBe(0);
});

test('a closed loop sends nothing meanwhile, so one request alone shows the stall', async () => {
  const { latencies } = await run({}, stalling);
  expect(latencies.quantile(0.9)).toBeLessThan(STALL_MS / 4);
  expect(latencies.max).toBeGreaterThan(STALL_MS * 0.9);
});

test('a stall that outlasts the measured time is still counted in full', async () => {
  const { latencies } = await run({ rate: 500, measureMs: 100 }, stalling);
  expect(latencies.count).toBeGreaterThan(30);
  expect(latencies.quantile(0.1)).toBeGreaterThan(STALL_MS / 2);
});

test('an open loop keeps its rate', async () => {
  const { operations, seconds } = await run({ rate: 300, connections: 3 });
  expect(operations / seconds).toBeGreaterThan(270);
  expect(operations / seconds).toBeLessThan(330);
});

test('refusals are counted apart from answers, and their clients pause', async () => {
  server.answer = (call) => call.fail({ code: GrpcCode.ResourceExhausted, message: TOO_MANY_REQUESTS });
  const { operations, errors, extra } = await run({ clients: 10, measureMs: 300 });
  expect(operations).toBe(0);
  expect(extra['refused/s']).toBeGreaterThan(10);
  const refusals = errors.get(TOO_MANY_REQUESTS) ?? 0;
  expect(refusals).toBeGreaterThan(10);
  expect(refusals).toBeLessThan(10 * 40);
});

test('errors are counted by their text', async () => {
  server.answer = (call) => call.fail({ code: GrpcCode.Unavailable, message: 'etcdserver: no leader' });
  const { operations, errors, latencies } = await run({ measureMs: 100 });
  expect([operations, latencies.count, [...errors.keys()]]).toEqual([0, 0, ['etcdserver: no leader']]);
});
