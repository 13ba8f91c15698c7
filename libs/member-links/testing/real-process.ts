import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import type { ProcessName } from '../../config';
import { type Address, connect } from '../../rpc';
import { configOf } from './config';

const HEALTH = '/grpc.health.v1.Health/Check';

interface Report {
  readonly ready: boolean;
  readonly address?: string;
  readonly error?: string;
}

/** One of the member's processes, started as the supervisor starts it. Needs a build. */
export class RealProcess {
  private readonly child: ChildProcess;
  readonly report: Promise<Report>;
  readonly exit: Promise<number | null>;
  log = '';

  constructor(name: ProcessName, addresses: Readonly<Record<string, string>>, flags: readonly string[] = []) {
    const main = resolve(__dirname, `../../../dist/services/${name}/main.js`);
    this.child = spawn(process.execPath, [main], { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk.toString();
    });
    this.exit = new Promise((done) => this.child.once('exit', done));
    this.report = new Promise((done) => {
      this.child.stdio[4]?.once('data', (line: Buffer) => done(JSON.parse(line.toString()) as Report));
    });
    (this.child.stdio[3] as Writable).write(`${JSON.stringify(configOf(name, addresses, flags))}\n`);
  }

  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return this.exit;
  }

  /** As when the parent is gone. */
  orphan(): Promise<number | null> {
    this.child.stdio[3]?.destroy();
    return this.exit;
  }
}

export function isServing(address: Address): Promise<boolean> {
  const channel = connect(address);
  return new Promise((done) => {
    channel.unary(HEALTH, new Uint8Array(0), { timeoutMs: 2_000 }, (result) => {
      channel.close();
      done(result.ok && result.response[1] === 1);
    });
  });
}
