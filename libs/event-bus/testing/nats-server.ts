import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createConnection, createServer } from 'node:net';

/** Debian's `nats-server`, if it is there. */
export const hasNats = spawnSync('nats-server', ['--version']).status === 0;

const START_MS = 10_000;

/** A real NATS server on a port of its own, which keeps that port over restarts. */
export class NatsServer {
  private child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly flags: readonly string[],
  ) {}

  static async start(flags: readonly string[] = []): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), flags);
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const child = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(this.port), ...this.flags], {
      stdio: 'ignore',
    });
    this.child = child;
    const giveUpAt = performance.now() + START_MS;
    while (!(await canConnect(this.port))) {
      if (child.exitCode !== null) throw new Error(`nats-server ended with ${child.exitCode}`);
      if (performance.now() > giveUpAt) throw new Error('nats-server does not listen');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** SIGSTOP is a partition: connections stay, and nothing comes through. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(name);
  }

  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
