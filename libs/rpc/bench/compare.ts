/**
 * CPU per call of both engines, server and client apart, on a Unix socket. Not a test: run it on a quiet machine with
 * `node dist/libs/rpc/bench/compare.js [calls]`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, connect, type EngineName } from '../index';

const engines: readonly EngineName[] = ['native', 'grpc-js'];
const shapes = [
  { connections: 1, callers: 1, share: 0.1 },
  { connections: 1, callers: 100, share: 1 },
  { connections: 100, callers: 1000, share: 1 },
];
const request = new Uint8Array(300);

async function main(): Promise<void> {
  const calls = Number(process.argv[2] ?? 100_000);
  const directory = mkdtempSync(join(tmpdir(), 'rpc-bench-'));
  for (const server of engines) {
    const path = join(directory, `${server}.sock`);
    const child = fork(join(__dirname, 'echo-server.js'), [server, path]);
    await answerOf(child);
    for (const client of engines) {
      const slowest = server === 'native' && client === 'native' ? 1 : 0.1;
      for (const shape of shapes) await measure(child, client, path, shape, Math.ceil(calls * shape.share * slowest));
    }
    child.kill();
  }
  rmSync(directory, { recursive: true });
}

async function measure(
  child: ChildProcess,
  engine: EngineName,
  path: string,
  { connections, callers }: { connections: number; callers: number },
  calls: number,
): Promise<void> {
  const channels = Array.from({ length: connections }, () => connect({ kind: 'unix', path }, { engine }));
  await run(channels, callers, Math.min(calls, 5000));
  const serverBefore = await cpuOf(child);
  const clientBefore = process.cpuUsage();
  const startedAt = performance.now();
  await run(channels, callers, calls);
  const seconds = (performance.now() - startedAt) / 1000;
  const client = process.cpuUsage(clientBefore);
  const server = (await cpuOf(child)) - serverBefore;
  for (const channel of channels) channel.close();
  const micros = (value: number): string => (value / calls).toFixed(2).padStart(8);
  console.log(
    `server ${child.spawnargs[2]} client ${engine}, ${connections} connections, ${callers} callers: ` +
      `${(calls / seconds).toFixed(0).padStart(7)} calls/s, CPU µs/call server ${micros(server)} client ${micros(client.user + client.system)}`,
  );
}

/** `callers` loops share `calls` calls. */
function run(channels: readonly Channel[], callers: number, calls: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = calls;
    let answered = 0;
    const next = (channel: Channel): void => {
      if (left-- <= 0) return;
      channel.unary('/bench.Bench/Echo', request, {}, (result) => {
        if (!result.ok) reject(new Error(result.error.message));
        else if (++answered === calls) resolve();
        else next(channel);
      });
    };
    for (let i = 0; i < callers; i++) next(channels[i % channels.length] as Channel);
  });
}

function cpuOf(child: ChildProcess): Promise<number> {
  child.send('cpu');
  return answerOf(child);
}

function answerOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => child.once('message', (value) => resolve(Number(value))));
}

void main();
