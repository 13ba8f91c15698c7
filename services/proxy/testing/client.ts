import { request } from 'node:http';
import { type ClientStream, connect, type Metadata, type UnaryResult } from '../../../libs/rpc';

/** A gRPC and HTTP client of a proxy's Unix socket. */
export class TestClient {
  private readonly channel;

  constructor(private readonly path: string) {
    this.channel = connect({ kind: 'unix', path }, { engine: 'native' });
  }

  call(path: string, body: Uint8Array, metadata: Metadata = []): Promise<UnaryResult> {
    return new Promise((resolve) => {
      this.channel.unary(path, body, { metadata }, resolve);
    });
  }

  /** The response's bytes as text, or the error's message. */
  async text(path: string, body: Uint8Array, metadata: Metadata = []): Promise<string> {
    const result = await this.call(path, body, metadata);
    return result.ok ? Buffer.from(result.response).toString('latin1') : result.error.message;
  }

  stream(path: string, metadata: Metadata = []): TestStream {
    return new TestStream(this.channel.stream(path, { metadata }));
  }

  http(method: string, path: string, body = ''): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.path, path, method }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  close(): void {
    this.channel.close();
  }
}

export class TestStream {
  private readonly messages: Uint8Array[] = [];
  private wake: (() => void) | undefined;
  /** Undefined while the stream is open; else the status's text, `OK` without an error. */
  ended: string | undefined;

  constructor(readonly stream: ClientStream) {
    stream.onMessage((message) => {
      this.messages.push(message);
      this.wake?.();
    });
    stream.onClose((error) => {
      this.ended = error?.message ?? 'OK';
      this.wake?.();
    });
  }

  async next<Message>(decode: (bytes: Uint8Array) => Message): Promise<Message> {
    for (;;) {
      const message = this.messages.shift();
      if (message !== undefined) return decode(message);
      if (this.ended !== undefined) throw new Error(`the stream has ended: ${this.ended}`);
      await this.change();
    }
  }

  async end(): Promise<string> {
    while (this.ended === undefined) await this.change();
    return this.ended;
  }

  get waiting(): number {
    return this.messages.length;
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }
}
