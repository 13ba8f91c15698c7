import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { ProcessConfig, ProcessName } from '../../libs/config';
import type { ChildLine, FailpointOrder, FailpointReply, OrderLine } from '../../libs/process';
import { nodeFlags } from './node-flags';

/** Descriptors of a child beyond the standard three: its configuration (end of file: the parent is gone), its readiness. */
const STDIO = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] as const;

export interface ChildEvents {
  onReady(address: string): void;
  /** The process can't start and a restart would not help. */
  onRefused(message: string): void;
  onLog(line: string): void;
  /** A failpoint ends the whole member; the child is dead already. */
  onPanic(message: string): void;
  /** Exactly once, after everything else. */
  onExit(code: number | null, signal: NodeJS.Signals | null): void;
}

/** One process of a member. It has no terminal and no descriptor of ours but pipes, so nothing of it can outlive or hang us. */
export class Child {
  private readonly process: ChildProcess;
  private readonly waiting: Array<() => void> = [];
  private readonly toChild: Writable;
  private readonly orders = new Map<number, (reply: FailpointReply | undefined) => void>();
  private ordersGiven = 0;
  exited = false;

  constructor(
    readonly name: ProcessName,
    config: ProcessConfig,
    private readonly events: ChildEvents,
  ) {
    this.process = spawn(process.execPath, [...nodeFlags(name), join(__dirname, '..', name, 'main.js')], {
      stdio: [...STDIO],
      detached: true, // Ctrl-C in the terminal reaches the supervisor alone, which stops the children in order
    });
    this.process.once('error', (error) => this.finish(error.message, null, null));
    const fromChild = this.process.stdio[4] as Readable;
    const lastWords = new Promise<void>((resolve) => void fromChild.once('close', resolve));
    this.process.once('exit', (code, signal) => {
      // What it said before it died decides what is to be done.
      void lastWords.then(() => this.finish(undefined, code, signal));
    });
    readLines(this.process.stdio[1] as Readable, (line) => events.onLog(line));
    readLines(this.process.stdio[2] as Readable, (line) => events.onLog(line));
    readLines(fromChild, (line) => this.hear(line));
    this.toChild = this.process.stdio[3] as Writable;
    this.toChild.on('error', () => undefined); // the child died first; its exit is reported
    this.toChild.write(`${JSON.stringify(config)}\n`);
  }

  /** Has the child do something to one of its failpoints; undefined: it died first. */
  order(order: FailpointOrder): Promise<FailpointReply | undefined> {
    if (this.exited) return Promise.resolve(undefined);
    const id = ++this.ordersGiven;
    const line: OrderLine = { id, order };
    return new Promise((resolve) => {
      this.orders.set(id, resolve);
      this.toChild.write(`${JSON.stringify(line)}\n`);
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.exited) this.process.kill(signal);
  }

  /** Runs once the process is gone. */
  whenExited(callback: () => void): void {
    if (this.exited) callback();
    else this.waiting.push(callback);
  }

  private hear(line: string): void {
    const message = JSON.parse(line) as { ready: boolean; address?: string; error?: string } | ChildLine;
    if ('panic' in message) this.events.onPanic(message.panic);
    else if ('failpoint' in message) this.answered(message.failpoint.id, message.failpoint.reply);
    else if (message.ready) this.events.onReady(message.address ?? '');
    else this.events.onRefused(message.error ?? 'unknown reason');
  }

  private answered(id: number, reply: FailpointReply): void {
    const resolve = this.orders.get(id);
    this.orders.delete(id);
    resolve?.(reply);
  }

  private finish(error: string | undefined, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.exited) return;
    this.exited = true;
    if (error !== undefined) this.events.onLog(JSON.stringify({ level: 'error', process: this.name, msg: error }));
    for (const resolve of this.orders.values()) resolve(undefined);
    this.orders.clear();
    this.events.onExit(code, signal);
    for (const callback of this.waiting) callback();
  }
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  stream.on('error', () => undefined); // the pipe ends with the child, whose exit is reported
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
    rest = '';
  });
}
