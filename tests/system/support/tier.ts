import { type ChildProcess, spawn } from 'node:child_process';
import { HEXAD } from './cluster';
import { waitFor } from './wait-for';

/** One free-standing process: `bin/hexad process NAME`. */
export class TierProcess {
  private child: ChildProcess | undefined;
  private output = '';

  constructor(
    private readonly name: 'watch' | 'proxy',
    private readonly flags: readonly string[],
  ) {}

  get log(): string {
    return this.output;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.child !== undefined && (this.child.exitCode !== null || this.child.signalCode !== null);
  }

  spawn(): void {
    const child = spawn(HEXAD, ['process', this.name, ...this.flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await waitFor(`${this.name} to end`, () => child.exitCode !== null || child.signalCode !== null, 20_000);
  }
}
