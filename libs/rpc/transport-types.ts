import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** PEM contents, read by the host. */
export interface TlsServerOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  /** True: a client certificate signed by `ca` is required. */
  readonly clientCertAuth: boolean;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly cipherSuites?: string;
}

export interface TlsClientOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
  readonly insecureSkipVerify?: boolean;
}

export interface Http1Handler {
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade?(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}
