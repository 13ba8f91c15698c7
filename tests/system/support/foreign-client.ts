import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hasTool } from './tools';

/** How a call ended: its gRPC code, and the response of a unary call or else the status text. */
export interface CallEnd {
  readonly code: number;
  readonly bytes: Buffer;
}

type Metadata = Readonly<Record<string, string>>;

interface Open {
  messages: Buffer[];
  end: CallEnd | undefined;
  wake: () => void;
}

/** A program that makes calls with another gRPC library. */
export interface Library {
  readonly name: string;
  /** What is missing here to run it; empty: nothing. */
  readonly missing: string;
  command(endpoint: string, keepaliveMs: number): readonly [file: string, ...args: string[]];
}

const INTEROP = join(__dirname, '..', 'interop');
const JARS = '/usr/share/java';
const grpcJars = ['grpc-api', 'grpc-core', 'grpc-context', 'grpc-netty', 'guava', 'perfmark-api'];
const nettyParts =
  'buffer codec codec-http codec-http2 codec-socks common handler handler-proxy resolver transport transport-native-unix-common';
const jars = [...grpcJars, ...nettyParts.split(' ').map((part) => `netty-${part}`)].map((name) =>
  join(JARS, `${name}.jar`),
);

/** Debian's packages belong to Debian's Python, which need not be the first on PATH. */
function pythonWithGrpc(): string | undefined {
  return ['python3', '/usr/bin/python3'].find((python) => spawnSync(python, ['-c', 'import grpc']).status === 0);
}

export function grpcPython(): Library {
  const python = pythonWithGrpc();
  return {
    name: 'grpc-python',
    missing: python === undefined ? 'python3-grpcio' : '',
    command: (endpoint, keepaliveMs) => [
      python ?? 'python3',
      join(INTEROP, 'driver.py'),
      endpoint,
      String(keepaliveMs),
    ],
  };
}

export function grpcJava(): Library {
  const missing = !hasTool('javac') ? 'a JDK' : jars.every((jar) => existsSync(jar)) ? '' : 'libgrpc-java';
  // The client compiler is enough, and starts sooner.
  const flags = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx512m', '-cp', jars.join(':')];
  return {
    name: 'grpc-java',
    missing,
    command: (endpoint) => ['java', ...flags, join(INTEROP, 'Driver.java'), endpoint],
  };
}

/**
 * A client of another language, driven by lines on its standard input. Requests and responses pass as hexadecimal digits
 * ("-": none), so that nothing but the gRPC library is foreign:
 *
 *     unary N PATH REQUEST TIMEOUT_MS METADATA      server N PATH REQUEST METADATA
 *     open N PATH METADATA      send N MESSAGE      half N      cancel N
 *
 * It answers `ready VERSION` once, then `message N MESSAGE` and `end N CODE RESPONSE-OR-TEXT`.
 */
export class ForeignClient {
  private readonly child: ChildProcess;
  private readonly calls = new Map<number, Open>();
  private lastNumber = 0;
  private errors = '';
  private readonly exited: Promise<void>;
  private readonly ready: Promise<void>;

  constructor(library: Library, endpoint: string, keepaliveMs = 0) {
    const [file, ...args] = library.command(endpoint, keepaliveMs);
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    child.stdin.on('error', () => undefined);
    this.exited = new Promise((resolve) => child.once('exit', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('ready')) resolve();
        else this.receive(line.split(' '));
      });
      void this.exited.then(() => reject(new Error(`${library.name} ended: ${this.errors}`)));
    });
    this.ready.catch(() => undefined);
  }

  async started(): Promise<this> {
    await this.ready;
    return this;
  }

  /** Makes a unary call; `number` may be cancelled before its end. */
  unary(path: string, request: Uint8Array, options: { timeoutMs?: number; metadata?: Metadata } = {}): ForeignCall {
    const timeout = options.timeoutMs === undefined ? '-' : String(options.timeoutMs);
    return this.begin((number) => `unary ${number} ${path} ${hex(request)} ${timeout} ${fields(options.metadata)}`);
  }

  serverStream(path: string, request: Uint8Array, metadata?: Metadata): ForeignCall {
    return this.begin((number) => `server ${number} ${path} ${hex(request)} ${fields(metadata)}`);
  }

  bidi(path: string, metadata?: Metadata): ForeignCall {
    return this.begin((number) => `open ${number} ${path} ${fields(metadata)}`);
  }

  async close(): Promise<void> {
    this.child.stdin?.end();
    this.child.kill('SIGKILL');
    await this.exited;
  }

  private begin(command: (number: number) => string): ForeignCall {
    const number = ++this.lastNumber;
    const open: Open = { messages: [], end: undefined, wake: () => undefined };
    this.calls.set(number, open);
    const tell = (line: string): void => void this.child.stdin?.write(`${line}\n`);
    tell(command(number));
    return new ForeignCall(number, open, tell);
  }

  private receive([verb, number, ...rest]: string[]): void {
    const open = this.calls.get(Number(number));
    if (open === undefined) return;
    if (verb === 'message') open.messages.push(bytes(rest[0]));
    else open.end = { code: Number(rest[0]), bytes: bytes(rest[1]) };
    open.wake();
  }
}

/** One call of a foreign client. */
export class ForeignCall {
  constructor(
    private readonly number: number,
    private readonly open: Open,
    private readonly tell: (line: string) => void,
  ) {}

  send(message: Uint8Array): this {
    this.tell(`send ${this.number} ${hex(message)}`);
    return this;
  }

  halfClose(): void {
    this.tell(`half ${this.number}`);
  }

  cancel(): void {
    this.tell(`cancel ${this.number}`);
  }

  /** The next message; undefined when the call ends first. */
  async next(): Promise<Buffer | undefined> {
    while (this.open.messages.length === 0 && this.open.end === undefined) await this.changed();
    return this.open.messages.shift();
  }

  async end(): Promise<CallEnd> {
    while (this.open.end === undefined) await this.changed();
    return this.open.end;
  }

  /** The response of a call that must succeed. */
  async response(): Promise<Buffer> {
    const { code, bytes: response } = await this.end();
    if (code !== 0) throw new Error(`code ${code}: ${response.toString()}`);
    return response;
  }

  /** Code and text of a call that must fail. */
  async failure(): Promise<readonly [code: number, text: string]> {
    const { code, bytes: text } = await this.end();
    return [code, text.toString()];
  }

  private changed(): Promise<void> {
    return new Promise((resolve) => {
      this.open.wake = resolve;
    });
  }
}

function hex(message: Uint8Array): string {
  return message.length === 0 ? '-' : Buffer.from(message).toString('hex');
}

function bytes(text: string | undefined): Buffer {
  return text === undefined || text === '-' ? Buffer.alloc(0) : Buffer.from(text, 'hex');
}

function fields(metadata: Metadata = {}): string {
  const all = Object.entries(metadata).map(([name, value]) => `${name}=${value}`);
  return all.length === 0 ? '-' : all.join(',');
}
