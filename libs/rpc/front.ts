import { createServer as createHttp1Server, type Server as Http1Server } from 'node:http';
import { createServer as createNetServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { ConnectionRecord, peerOf } from './connection-record';
import { defaultHandshakeTimeoutMs } from './limits';
import { listenWithRetry } from './listen';
import { roleProblem, serverTls } from './mutual-tls';
import type { TlsServerOptions } from './transport-types';
import type { Address, ServerOptions, Traffic } from './types';

const sweepEveryMs = 1000;
/** "PRI " opens HTTP/2 with prior knowledge, the others a request of HTTP/1.1. */
const openings = ['PRI ', 'GET ', 'POST ', 'PUT ', 'HEAD ', 'DELETE ', 'OPTIONS ', 'PATCH ', 'TRACE ', 'CONNECT '];

/** Receives each connection that speaks HTTP/2, with the bytes read so far (to be handled first). */
export type AcceptHttp2 = (socket: Socket, head: Buffer, record: ConnectionRecord) => void;

/**
 * The listener both engines share: TLS and ALPN, connection limit, handshake deadline, and the split of HTTP/2 from
 * HTTP/1.1 on one port by the first bytes.
 */
export class Front {
  readonly #options: ServerOptions;
  readonly #accept: AcceptHttp2;
  readonly #handshakeTimeoutMs: number;
  #server: Server | undefined;
  readonly #http1: Http1Server | undefined;
  readonly #sockets = new Set<Socket>();
  /** Of connections that have ended. */
  #receivedBytes = 0;
  #sentBytes = 0;
  readonly #refused = new WeakSet<Socket>();
  /** Connections that have not shown their protocol, in order of arrival, with the time they must have. */
  readonly #pending = new Map<Socket, number>();
  #sweeper: NodeJS.Timeout | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: ServerOptions, accept: AcceptHttp2) {
    this.#options = options;
    this.#handshakeTimeoutMs = options.handshakeTimeoutMs ?? defaultHandshakeTimeoutMs;
    this.#accept = accept;
    this.#http1 = options.http1 === undefined ? undefined : createHttp1(options.http1);
  }

  /** Bytes of all connections so far. */
  traffic(): Traffic {
    let receivedBytes = this.#receivedBytes;
    let sentBytes = this.#sentBytes;
    for (const { bytesRead, bytesWritten } of this.#sockets) {
      receivedBytes += bytesRead;
      sentBytes += bytesWritten;
    }
    return { receivedBytes, sentBytes };
  }

  listen(address: Address): Promise<Address> {
    this.#server = this.#createServer(address);
    return listenWithRetry(this.#server, address);
  }

  /** Stops accepting; resolves when the listener is released (connections may live on). */
  stopAccepting(): void {
    if (this.#server?.listening === true) this.#server.close();
  }

  /** Closes the listener and every connection. */
  close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#http1?.close();
    this.#http1?.closeAllConnections();
    const server = this.#server;
    const closed =
      server?.listening === true ? new Promise<void>((resolve) => server.close(() => resolve())) : Promise.resolve();
    for (const socket of this.#sockets) socket.destroy();
    return closed;
  }

  /** Closes the listener; connections that are ending get `graceMs` to do so. */
  async closeGently(graceMs: number): Promise<void> {
    this.#http1?.close();
    this.#http1?.closeAllConnections();
    for (const socket of this.#pending.keys()) socket.destroy();
    if (this.#sockets.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    await this.close();
  }

  /** A connection made in memory. Only with an HTTP/1.1 handler. */
  injectHttp1(socket: Duplex): void {
    this.#http1?.emit('connection', socket);
  }

  /** HTTP/1.1 connections that are idle end now, the others after their answer. */
  drainHttp1(): void {
    this.#http1?.close();
    this.#http1?.closeIdleConnections();
  }

  #createServer(address: Address): Server {
    const tls = this.#options.tls ?? serverTls(address);
    if (tls === undefined) {
      const server = createNetServer({ noDelay: true });
      server.on('connection', (socket) => {
        if (this.#admit(socket)) this.#sniff(socket);
      });
      return server;
    }
    const server = createTlsServer({
      ...tlsOptions(tls),
      handshakeTimeout: this.#handshakeTimeoutMs,
      noDelay: true,
    } as TlsOptions);
    server.on('connection', (socket: Socket) => void this.#admit(socket));
    server.on('secureConnection', (socket) => {
      const problem = roleProblem(address, socket);
      if (problem === undefined) this.#onSecure(socket);
      else this.#refuse(socket, problem);
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      // A health check of a TCP balancer connects and goes.
      if (rawOf(socket).bytesRead === 0 && error.code !== 'ERR_TLS_HANDSHAKE_TIMEOUT') return void socket.destroy();
      // Node's own deadline and the sweep below keep the same time: either may be first.
      const isLate = error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT';
      this.#refuse(socket, isLate ? 'handshake timeout' : `TLS handshake error: ${error.message}`);
    });
    return server;
  }

  #admit(socket: Socket): boolean {
    const limit = this.#options.maxConnections;
    if (limit !== undefined && this.#sockets.size >= limit) {
      this.#refuse(socket, 'too many connections');
      return false;
    }
    this.#sockets.add(socket);
    this.#pending.set(socket, performance.now() + this.#handshakeTimeoutMs);
    this.#sweeper ??= setInterval(() => this.#sweep(), Math.min(sweepEveryMs, this.#handshakeTimeoutMs)).unref();
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#receivedBytes += socket.bytesRead;
      this.#sentBytes += socket.bytesWritten;
      this.#pending.delete(socket);
      if (this.#sockets.size === 0) this.#onEmpty?.();
    });
    return true;
  }

  #sweep(): void {
    const now = performance.now();
    for (const [socket, deadline] of this.#pending) {
      if (deadline > now) break;
      this.#refuse(socket, 'handshake timeout');
    }
    if (this.#pending.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #onSecure(socket: TLSSocket): void {
    socket.on('error', () => socket.destroy());
    if (socket.alpnProtocol === 'http/1.1') this.#toHttp1(socket, Buffer.alloc(0));
    else this.#sniff(socket);
  }

  #sniff(socket: Socket): void {
    let head: Buffer | undefined;
    const onData = (chunk: Buffer): void => {
      head = head === undefined ? chunk : Buffer.concat([head, chunk]);
      const protocol = protocolOf(head);
      if (protocol === 'undecided') return;
      socket.off('data', onData);
      if (protocol === 'http1') return this.#toHttp1(socket, head);
      if (protocol === 'unknown') return this.#refuse(socket, 'neither HTTP/2 nor HTTP/1.1');
      this.#settled(socket);
      this.#accept(socket, head, new ConnectionRecord(socket, this.#options.onProtocolError));
    };
    socket.on('data', onData);
  }

  #toHttp1(socket: Socket, head: Buffer): void {
    if (this.#http1 === undefined) {
      this.#refuse(socket, 'HTTP/1.1 request on a gRPC-only port');
      return;
    }
    this.#settled(socket);
    socket.pause();
    if (head.length > 0) socket.unshift(head);
    this.#http1.emit('connection', socket);
    process.nextTick(() => socket.resume());
  }

  /** What was admitted is the raw socket under a TLS socket. */
  #settled(socket: Socket): void {
    this.#pending.delete(rawOf(socket));
  }

  #refuse(socket: Socket, reason: string): void {
    const peer = peerOf(socket);
    socket.destroy();
    // A TLS socket fails after the raw one below it was refused: that is the same story.
    const raw = rawOf(socket);
    if (this.#refused.has(raw)) return;
    this.#refused.add(raw);
    this.#options.onProtocolError?.(peer, reason);
  }
}

/** The socket below a TLS socket, or the socket itself. */
function rawOf(socket: Socket): Socket {
  return (socket as { _parent?: Socket })._parent ?? socket;
}

function protocolOf(head: Buffer): 'http2' | 'http1' | 'unknown' | 'undecided' {
  const text = head.toString('latin1', 0, 8);
  const opening = openings.find((each) => each.startsWith(text) || text.startsWith(each));
  if (opening === undefined) return 'unknown';
  if (text.length < opening.length) return 'undecided';
  return opening === 'PRI ' ? 'http2' : 'http1';
}

function tlsOptions(tls: TlsServerOptions): TlsOptions {
  return {
    cert: tls.cert,
    key: tls.key,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.minVersion === undefined ? {} : { minVersion: tls.minVersion }),
    ...(tls.cipherSuites === undefined ? {} : { ciphers: tls.cipherSuites }),
    requestCert: tls.clientCertAuth,
    rejectUnauthorized: tls.clientCertAuth,
    ALPNProtocols: ['h2', 'http/1.1'],
  };
}

function createHttp1(handler: NonNullable<ServerOptions['http1']>): Http1Server {
  const server = createHttp1Server((request, response) => handler.request(request, response));
  server.on('upgrade', (request, socket, head) => {
    if (handler.upgrade === undefined) socket.destroy();
    else handler.upgrade(request, socket, head);
  });
  // Never listens itself; the event starts Node's own enforcement of header and request timeouts.
  server.emit('listening');
  return server;
}
