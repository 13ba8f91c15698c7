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

/**
 * What a process of the member proves itself with to its siblings, and they to it, where they meet over TCP. PEM contents. The common
 * name of a certificate is the role of its holder (`raft`, `storage`, …), and `ca` signs nothing else.
 */
export interface MutualTls {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Who may connect when this is an address to listen on. */
  readonly clientRoles: readonly string[];
  /** Who may answer where only an IP address is dialled, which no certificate names. */
  readonly roleOfNumbers: string;
}

export interface TlsClientOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
  readonly insecureSkipVerify?: boolean;
  /** Instead of the name that was dialled: the common name that the server must have. */
  readonly serverRole?: string;
}

export interface Http1Handler {
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade?(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}
