import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { type GatewayBackend, JsonGateway } from '..';

export interface GatewayServerOptions {
  readonly backend: GatewayBackend;
  readonly messageBytesMax?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A listener with nothing but the gateway behind it, and a client for it. */
export class GatewayServer {
  private readonly server: Server;
  readonly defects: unknown[] = [];

  constructor({ backend, messageBytesMax = 2_097_152 }: GatewayServerOptions) {
    const gateway = new JsonGateway({
      backend,
      messageBytesMax,
      refusesCommonNames: () => true,
      now: () => performance.now(),
      onDefect: (error) => this.defects.push(error),
    });
    this.server = createServer((request, response) => {
      if (gateway.handles(request.url ?? '')) gateway.request(request, response);
      else response.destroy();
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  /** Sends a request as it is; nothing is added but the length. */
  async ask(path: string, body: string | Buffer, headers: OutgoingHttpHeaders = {}, method = 'POST'): Promise<Answer> {
    const response = await this.open(path, body, headers, method);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
  }

  /** The response once its head is there; its body is still to come. */
  open(
    path: string,
    body: string | Buffer,
    headers: OutgoingHttpHeaders = {},
    method = 'POST',
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({ port: this.port, host: '127.0.0.1', path, method, headers }, resolve);
      request.on('error', reject);
      request.end(body);
    });
  }
}
