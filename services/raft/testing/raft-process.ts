import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { join } from 'node:path';
import type { ProcessConfig } from '../../../libs/config';

const MAIN = join(__dirname, '..', '..', '..', 'dist', 'services', 'raft', 'main.js');

/** A raft process of its own, as the supervisor starts it. It ends with this process. */
export class RaftProcess {
  log = '';
  private child: ChildProcess | undefined;
  private ended: Promise<number | null> = Promise.resolve(null);

  constructor(readonly config: ProcessConfig) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Resolves once it is ready; rejects with what it said if it ends before. */
  start(): Promise<void> {
    const child = spawn(process.execPath, [MAIN], { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
    this.child = child;
    child.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk.toString();
    });
    this.ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    (child.stdio[3] as Writable).on('error', () => undefined).write(`${JSON.stringify(this.config)}\n`);
    return new Promise((resolve, reject) => {
      child.stdio[4]?.on('data', (chunk: Buffer) => {
        for (const line of chunk.toString().trim().split('\n')) {
          const message = JSON.parse(line) as { ready: boolean; error?: string };
          if (message.ready) resolve();
          else reject(new Error(message.error));
          this.log += message.error ?? '';
        }
      });
      child.once('exit', (code) => reject(new Error(`ended with ${String(code)}: ${this.log}`)));
    });
  }

  async kill(): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.ended;
  }

  /** SIGTERM. */
  stop(): Promise<number | null> {
    this.child?.kill('SIGTERM');
    return this.ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  exited(): Promise<number | null> {
    return this.ended;
  }
}
