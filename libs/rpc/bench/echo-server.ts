/** The server side of compare.ts: echoes; one process so that its CPU can be told apart. Arguments: engine, socket path. */
import { createServer, type EngineName } from '../index';

async function main(): Promise<void> {
  const [engine, path] = process.argv.slice(2);
  const server = createServer({ engine: engine as EngineName, keepaliveMinTimeMs: 5000 });
  server.addHandlers({
    unary: { '/bench.Bench/Echo': (call) => call.reply(call.request) },
    stream: { '/bench.Bench/Stream': (call) => call.onMessage((message) => void call.send(message)) },
  });
  await server.listen({ kind: 'unix', path: path ?? '' });
  process.on('message', () => process.send?.(cpuMicros()));
  process.send?.(0);
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

void main();
