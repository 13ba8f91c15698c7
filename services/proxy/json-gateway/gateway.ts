import type { IncomingMessage, ServerResponse } from 'node:http';
import { GrpcCode } from '../../../libs/errors';
import type { GatewayBackend } from './backend';
import { connectionOf } from './connections';
import { unaryErrorBody } from './errors';
import type { Exchange } from './exchange';
import { metadataOf, timeoutOf } from './metadata';
import { pathOf, ROUTES } from './routes';

export interface JsonGatewayOptions {
  readonly backend: GatewayBackend;
  /** Largest message of a client in protobuf form: the limit of the gRPC port. */
  readonly messageBytesMax: number;
  /**
   * True while a client certificate's common name would be a user's name (client-cert-auth is on and authentication is
   * enabled). The gateway can't speak for that user, so such requests are refused.
   */
  readonly refusesCommonNames: () => boolean;
  /** Milliseconds, monotonic, as in `UnaryCall.receivedAt`. */
  readonly now: () => number;
  /** A defect while serving one request; the request fails, the process goes on. */
  readonly onDefect: (error: unknown) => void;
}

type Server = typeof import('./serve');

const COMMON_NAME_REFUSED =
  'CommonName of client sending a request against gateway will be ignored and not used as expected';

/** etcd's JSON API: `/v3/*`, and `/v3beta/*` for old clients. */
export class JsonGateway {
  private server: Server | undefined;

  constructor(private readonly options: JsonGatewayOptions) {}

  /** Whether a URL's path is the gateway's. */
  handles(path: string): boolean {
    return path.startsWith('/v3/') || path.startsWith('/v3beta/');
  }

  /** Answers a request that it handles. Host check and CORS headers come before. */
  request(request: IncomingMessage, response: ServerResponse): void {
    const receivedAt = this.options.now();
    const path = ROUTES.get(pathOf(request.url ?? ''));
    const connection = connectionOf(request.socket);
    if (connection.clientCommonName !== undefined && this.options.refusesCommonNames()) {
      refuse(response, 400, 'text/plain; charset=utf-8', `${COMMON_NAME_REFUSED}\n`);
    } else if (path === undefined) {
      refuse(response, 404, 'application/json', unaryErrorBody({ code: GrpcCode.NotFound, message: 'Not Found' }));
    } else if (request.method !== 'POST') {
      const body = unaryErrorBody({ code: GrpcCode.Unimplemented, message: 'Method Not Allowed' });
      refuse(response, 501, 'application/json', body);
    } else {
      const call = { metadata: metadataOf(request), connection, timeoutMs: timeoutOf(request), receivedAt };
      const { backend, messageBytesMax } = this.options;
      this.serve({ path, request, response, backend, messageBytesMax, call });
    }
  }

  private serve(exchange: Omit<Exchange, 'method'>): void {
    try {
      this.load().serve(exchange);
    } catch (error) {
      this.options.onDefect(error);
      exchange.response.destroy();
    }
  }

  /** The schema is loaded with the first request: most members never see one, and start-up time counts. */
  private load(): Server {
    this.server ??= require('./serve') as Server;
    return this.server;
  }
}

function refuse(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': String(Buffer.byteLength(body)) });
  response.end(body);
}
