import { readFileSync } from 'node:fs';
import type { Authenticator, ConnectionOptions, MsgHdrs, NatsConnection, Subscription } from 'nats';
import type { Messenger, OnMessage } from './types';

export interface NatsOptions {
  /** `nats://[user:password@]host:port`, `tls://…`. */
  readonly servers: readonly string[];
  /** `user:password`, a token, or a NATS credentials file; empty: none. */
  readonly credentialsFile: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Shown in the server's list of connections. */
  readonly name: string;
}

export interface MessengerLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

const RETRY_MS = 500;
/** A server that does not answer two pings is taken for dead. */
const PING_MS = 2_000;
const PINGS_OUT_MAX = 2;
/** What was published and not yet confirmed by the server; beyond it messages are dropped. */
const UNCONFIRMED_BYTES_MAX = 32 * 1024 * 1024;
/** W3C Trace Context, as in HTTP. */
const TRACEPARENT = 'traceparent';
/** The server counts headers too. */
const HEADER_BYTES_MAX = 128;
const CONFIRM_EVERY_BYTES = 1024 * 1024;

interface Subscriber {
  readonly subject: string;
  readonly onMessage: OnMessage;
  active: Subscription | undefined;
}

type Nats = typeof import('nats');

/** One connection to NATS that is kept up for ever. Nothing is buffered for a server that is not there. */
export class NatsMessenger implements Messenger {
  private connection: NatsConnection | undefined;
  private up = false;
  private closed = false;
  private retry: NodeJS.Timeout | undefined;
  private payloadBytesMax = 0;
  private unconfirmed = 0;
  private sinceConfirm = 0;
  /** Messages that were not sent since the process began. */
  dropped = 0;
  private readonly subscribers = new Set<Subscriber>();
  private readonly nats: Nats;

  /** Throws when a file can't be read or makes no sense: the caller's configuration is wrong. */
  constructor(
    private readonly options: NatsOptions,
    private readonly log: MessengerLog,
  ) {
    // Loaded here, so that a process without NATS does not pay for it.
    this.nats = require('nats') as Nats;
    const settings = connectionOptions(this.nats, options);
    void this.keepUp(this.nats, settings);
  }

  get isConnected(): boolean {
    return this.up;
  }

  publish(subject: string, message: Uint8Array, traceparent = ''): boolean {
    const { connection } = this;
    const fits = message.length + HEADER_BYTES_MAX <= this.payloadBytesMax && this.unconfirmed < UNCONFIRMED_BYTES_MAX;
    if (connection === undefined || !this.up || !fits) {
      this.dropped += 1;
      return false;
    }
    if (traceparent === '') connection.publish(subject, message);
    else connection.publish(subject, message, { headers: this.headersOf(traceparent) });
    this.count(connection, message.length);
    return true;
  }

  subscribe(subject: string, onMessage: OnMessage): () => void {
    const subscriber: Subscriber = { subject, onMessage, active: undefined };
    this.subscribers.add(subscriber);
    this.activate(subscriber);
    return () => {
      this.subscribers.delete(subscriber);
      subscriber.active?.unsubscribe();
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    this.up = false;
    clearTimeout(this.retry);
    await this.connection?.close();
  }

  private headersOf(traceparent: string): MsgHdrs {
    const headers = this.nats.headers();
    headers.set(TRACEPARENT, traceparent);
    return headers;
  }

  private async keepUp(nats: Nats, settings: ConnectionOptions): Promise<void> {
    try {
      const connection = await nats.connect(settings);
      if (this.closed) return await connection.close();
      this.opened(connection);
      void this.follow(connection);
      const reason = await connection.closed();
      if (!this.closed)
        this.log.warn({ error: reason?.message ?? 'closed' }, 'the event bus has closed the connection');
    } catch (error) {
      if (!this.closed) this.log.warn({ error: String(error), servers: hostsOf(this.options) }, 'no event bus');
    }
    this.lost();
    this.connection = undefined;
    for (const subscriber of this.subscribers) subscriber.active = undefined;
    if (!this.closed) this.retry = setTimeout(() => void this.keepUp(nats, settings), RETRY_MS);
  }

  private opened(connection: NatsConnection): void {
    this.connection = connection;
    this.regained(connection);
    for (const subscriber of this.subscribers) this.activate(subscriber);
  }

  /** Until the connection has been closed for good. */
  private async follow(connection: NatsConnection): Promise<void> {
    for await (const { type, data } of connection.status()) {
      if (type === 'disconnect') this.lost();
      else if (type === 'reconnect') this.regained(connection);
      else if (type === 'error') this.log.warn({ error: data }, 'the event bus refuses something');
    }
  }

  private lost(): void {
    if (this.up) this.log.warn({}, 'the event bus is gone');
    this.up = false;
  }

  private regained(connection: NatsConnection): void {
    this.up = true;
    this.unconfirmed = 0;
    this.sinceConfirm = 0;
    this.payloadBytesMax = connection.info?.max_payload ?? 0;
    this.log.info({ server: connection.getServer() }, 'the event bus is there');
  }

  private activate(subscriber: Subscriber): void {
    if (this.connection === undefined || this.connection.isClosed() || subscriber.active !== undefined) return;
    subscriber.active = this.connection.subscribe(subscriber.subject, {
      callback: (error, message) => {
        if (error === null) subscriber.onMessage(message.data, message.headers?.get(TRACEPARENT) ?? '');
        else
          this.log.warn({ error: error.message, subject: subscriber.subject }, 'the event bus refuses a subscription');
      },
    });
  }

  /** A server that reads slowly must not fill our memory: only so much may be on the way to it. */
  private count(connection: NatsConnection, bytes: number): void {
    this.unconfirmed += bytes;
    this.sinceConfirm += bytes;
    if (this.sinceConfirm < CONFIRM_EVERY_BYTES) return;
    const confirmed = this.sinceConfirm;
    this.sinceConfirm = 0;
    connection.flush().then(
      () => {
        this.unconfirmed = Math.max(0, this.unconfirmed - confirmed);
      },
      () => undefined, // the connection broke: the count begins anew with the next
    );
  }
}

function connectionOptions(nats: Nats, options: NatsOptions): ConnectionOptions {
  const { servers, name, caFile, certFile, keyFile } = options;
  const tls = {
    ...(caFile === '' ? {} : { ca: readFileSync(caFile, 'utf8') }),
    ...(certFile === '' ? {} : { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }),
  };
  const secure = Object.keys(tls).length > 0 || servers.some((server) => server.startsWith('tls://'));
  return {
    servers: servers.map((server) => hostOf(server)),
    name,
    ...login(nats, options),
    ...(secure ? { tls } : {}),
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MS,
    reconnectJitter: RETRY_MS / 2,
    pingInterval: PING_MS,
    maxPingOut: PINGS_OUT_MAX,
    timeout: 2_000,
    ignoreAuthErrorAbort: true,
  };
}

/** The file wins over what the URL says. */
function login(nats: Nats, { credentialsFile, servers }: NatsOptions): ConnectionOptions {
  if (credentialsFile !== '') {
    const text = readFileSync(credentialsFile, 'utf8');
    if (text.includes('-----BEGIN NATS USER JWT-----')) {
      return { authenticator: nats.credsAuthenticator(new TextEncoder().encode(text)) satisfies Authenticator };
    }
    const [user = '', ...rest] = text.trim().split(':');
    return rest.length > 0 ? { user, pass: rest.join(':') } : { token: user };
  }
  const url = new URL(servers[0] ?? 'nats://');
  if (url.username === '') return {};
  const user = decodeURIComponent(url.username);
  return url.password === '' ? { token: user } : { user, pass: decodeURIComponent(url.password) };
}

function hostsOf({ servers }: NatsOptions): string[] {
  return servers.map((server) => hostOf(server));
}

/** Without the password, which is told apart and never logged. */
function hostOf(server: string): string {
  const { hostname, port } = new URL(server);
  return `${hostname}:${port === '' ? '4222' : port}`;
}
