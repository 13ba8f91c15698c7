import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../../libs/process';
import { StartError } from '../../libs/process';
import { type Backend, Backends } from './backends';
import { formatHostPort, type GatewayConfig, type HostPort } from './config';
import { dial } from './dial';
import { Prober } from './prober';
import { type Lookup, Resolver } from './resolver';

/** A client whose host has vanished is found out after this and some minutes of the system's own. */
const KEEPALIVE_MS = 30_000;

/** A client's connection and the one to its proxy. */
interface Pair {
  end(): void;
}

/** Forwards each connection to one of the proxies. */
export class Gateway {
  private readonly backends = new Backends();
  private readonly server: Server;
  private readonly resolver: Resolver;
  private readonly prober: Prober | undefined;
  private readonly pairs = new Map<Backend, Set<Pair>>();
  /** Clients for whom a proxy is being sought. */
  private readonly seeking = new Set<Socket>();
  private readonly problems = new Set<string>();
  private onIdle: (() => void) | undefined;

  constructor(
    private readonly config: GatewayConfig,
    private readonly logger: Logger,
    find?: Lookup,
  ) {
    const { endpoints, resolveIntervalMs, healthCheckIntervalMs, connectTimeoutMs, connectionsMax } = config;
    this.server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
      void this.serve(client);
    });
    this.server.maxConnections = connectionsMax;
    this.resolver = new Resolver(
      endpoints,
      resolveIntervalMs,
      (addresses) => this.backends.setAddresses(addresses),
      (host, reason) => this.cannotResolve(host, reason),
      find,
    );
    this.prober =
      healthCheckIntervalMs === 0
        ? undefined
        : new Prober({
            backends: this.backends,
            intervalMs: healthCheckIntervalMs,
            timeoutMs: connectTimeoutMs,
            onUp: (backend) => this.sayUp(backend),
            onDown: (backend, reason) => this.sayDown(backend, reason),
            onSilent: (backend) => this.cut(backend),
          });
  }

  /**
   * Resolves with the address bound.
   *
   * @throws StartError when it can't be listened on
   */
  async start(): Promise<HostPort> {
    await this.resolver.resolve();
    const { host, port } = this.config.listen;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error) =>
        reject(new StartError(`can't listen on ${formatHostPort({ host, port })}: ${error.message}`)),
      );
      this.server.listen({ host, port, backlog: 4096 }, resolve);
    });
    const bound = this.server.address();
    return { host, port: typeof bound === 'object' && bound !== null ? bound.port : port };
  }

  /** Open connections. */
  get connections(): number {
    return this.seeking.size + [...this.pairs.values()].reduce((sum, pairs) => sum + pairs.size, 0);
  }

  /** Takes no more connections, and cuts those that have not ended within `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.resolver.close();
    this.prober?.close();
    if (this.connections > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const client of this.seeking) client.destroy();
    for (const backend of this.pairs.keys()) this.cut(backend);
    await closed;
  }

  private async serve(client: Socket): Promise<void> {
    client.on('error', () => client.destroy());
    this.seeking.add(client);
    const found = await this.seek(client);
    this.seeking.delete(client);
    if (found === undefined || client.destroyed) {
      found?.upstream.destroy();
      client.destroy();
      this.checkIdle();
      return;
    }
    this.join(found.backend, client, found.upstream);
  }

  private async seek(client: Socket): Promise<{ backend: Backend; upstream: Socket } | undefined> {
    const tried = new Set<Backend>();
    for (;;) {
      const backend = this.backends.next(tried, performance.now());
      if (backend === undefined || client.destroyed) return undefined;
      tried.add(backend);
      backend.connections += 1; // many that come at once must not all choose the same
      const outcome = await dial(backend, this.config.connectTimeoutMs);
      if ('socket' in outcome) {
        if (this.backends.markUp(backend)) this.sayUp(backend);
        return { backend, upstream: outcome.socket };
      }
      backend.connections -= 1;
      const retryAt =
        this.prober === undefined ? performance.now() + this.config.retryDelayMs : Number.POSITIVE_INFINITY;
      if (this.backends.markDown(backend, retryAt)) this.sayDown(backend, outcome.reason);
    }
  }

  /** Either side may end its half; an error on one ends both. */
  private join(backend: Backend, client: Socket, upstream: Socket): void {
    const pairs = this.pairs.get(backend) ?? new Set<Pair>();
    const end = (): void => {
      client.destroy();
      upstream.destroy();
      if (!pairs.delete(pair)) return;
      backend.connections -= 1;
      if (pairs.size === 0) this.pairs.delete(backend);
      this.checkIdle();
    };
    const pair: Pair = { end };
    this.pairs.set(backend, pairs.add(pair));
    for (const socket of [client, upstream]) socket.setKeepAlive(true, KEEPALIVE_MS).once('close', end);
    client.pipe(upstream);
    upstream.pipe(client);
    if (client.destroyed || upstream.destroyed) end();
  }

  private cut(backend: Backend): void {
    for (const pair of this.pairs.get(backend) ?? []) pair.end();
  }

  private checkIdle(): void {
    if (this.connections === 0) this.onIdle?.();
  }

  private sayUp(backend: Backend): void {
    this.logger.info({ address: formatHostPort(backend) }, 'activated');
  }

  private sayDown(backend: Backend, reason: string): void {
    this.logger.warn({ address: formatHostPort(backend), reason }, 'marked endpoint as inactive');
  }

  /** Once: it is looked up every few seconds. */
  private cannotResolve(host: string, reason: string): void {
    if (this.problems.has(host)) return;
    this.problems.add(host);
    this.logger.warn({ host, reason }, 'cannot resolve endpoint; it is tried again');
  }
}
