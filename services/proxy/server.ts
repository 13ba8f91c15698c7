import { openAttachment } from '../../libs/attachment';
import { AuthTokenError } from '../../libs/auth-token';
import { NatsMessenger } from '../../libs/event-bus';
import { SLOW_CLIENT_BYTES_MAX } from '../../libs/limits';
import { type Logger, type ProcessContext, type RunningProcess, StartError } from '../../libs/process';
import { createServer, type Http1Handler, type RpcServer, type ServerOptions, type Traffic } from '../../libs/rpc';
import { encodeTrace, parseTraceparent, startTracing, type Tracing } from '../../libs/telemetry';
import { type ListenUrl, type ProxySettings, proxySettings, SERVER_VERSION } from './config';
import { Edge } from './edge';
import { createHttpHandler, type HttpOptions } from './http/handler';
import { HealthChecks } from './http/health-checks';
import { Metrics, type MetricSources } from './http/metrics';
import { createInProcessBackend, JsonGateway } from './json-gateway';
import { Limits } from './limits';
import { PeerProblems } from './peer-problems';
import type { Traced } from './requests';

const READY_POLL_MS = 5;

/**
 * Starts the public edge. It listens at once, so that clients can connect and wait; it is ready when a leader is known and this
 * member is known to the cluster.
 */
export async function startProxy(context: ProcessContext): Promise<RunningProcess> {
  const { config, logger } = context;
  const messenger = openMessenger(context);
  const opened = await openAttachment(config, messenger, logger);
  const tracing = startTracing(config);
  const startTrace = tracing.enabled ? traceStarter(tracing) : undefined;
  const { settings, edge } = orRefuse(() => {
    const read = proxySettings(config);
    return { settings: read, edge: new Edge(config, read, logger, startTrace, tracing, opened.attachment, messenger) };
  });
  const servers = await listenAll(edge, settings, { config, logger });
  await untilReady(edge);
  return {
    address: settings.clientUrls.map(({ url }) => url).join(','),
    shutdown: async () => {
      edge.router.stop();
      await new Promise((resolve) => setImmediate(resolve)); // the streams' last words leave before the connections do
      await Promise.all(servers.map((server) => server.drain(Limits.drainGraceMs)));
      edge.close();
      opened.close();
      await Promise.all([tracing.shutdown(), messenger?.close()]);
    },
  };
}

/** A proxy has use for the event bus only to find others. */
function openMessenger({ config, logger }: ProcessContext): NatsMessenger | undefined {
  const { attach, watchHubs } = config.tiers;
  if (attach !== null && watchHubs === null) {
    throw new StartError('a proxy that is not part of a member needs --watch-hubs');
  }
  if (config.eventBus === null || (attach !== '*' && watchHubs !== '*')) return undefined;
  try {
    return new NatsMessenger({ ...config.eventBus, name: `hexad proxy ${config.name}` }, logger);
  } catch (error) {
    throw new StartError(`cannot use --event-bus: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A bad `--auth-token` is the user's mistake, to be told in one line. */
function orRefuse<Result>(create: () => Result): Result {
  try {
    return create();
  } catch (error) {
    if (error instanceof AuthTokenError) throw new StartError(error.message);
    throw error;
  }
}

async function listenAll(
  edge: Edge,
  settings: ProxySettings,
  { config, logger }: Pick<ProcessContext, 'config' | 'logger'>,
): Promise<RpcServer[]> {
  const servers: RpcServer[] = [];
  const http = httpOptions(edge, settings, config, logger, () => {
    const all = servers.map((server) => server.traffic());
    const sum = (of: (one: Traffic) => number): number => all.reduce((total, one) => total + of(one), 0);
    return { receivedBytes: sum((one) => one.receivedBytes), sentBytes: sum((one) => one.sentBytes) };
  });
  edge.addInsight(http.metrics);
  const client = createHttpHandler(http, 'client');
  const metrics = createHttpHandler(http, 'metrics');
  const { limits, rpcEngine } = config;
  const { keepalive } = settings;
  const grpc: ServerOptions = {
    engine: rpcEngine,
    maxReceiveBytes: settings.messageBytesMax,
    maxConcurrentStreams: limits.maxConcurrentStreams,
    keepaliveMinTimeMs: keepalive.minTimeMs,
    keepaliveIntervalMs: keepalive.intervalMs,
    keepaliveTimeoutMs: keepalive.timeoutMs,
    maxConnections: settings.connectionsMax,
    heldBytesMax: SLOW_CLIENT_BYTES_MAX,
    onProtocolError: new PeerProblems(logger, () => performance.now()).report,
  };
  const ownHttp = settings.httpUrls.length > 0;
  const listen = async (url: ListenUrl, http1: Http1Handler | undefined, serveGrpc: boolean): Promise<RpcServer> => {
    const tls = url.tls && settings.tls !== undefined ? { tls: settings.tls } : {};
    const server = createServer({ ...grpc, ...tls, ...(http1 === undefined ? {} : { http1 }) });
    servers.push(server);
    if (serveGrpc) server.addHandlers(edge.router.asHandlers());
    await bind(server, url);
    return server;
  };
  return Promise.all([
    ...settings.clientUrls.map((url) => listen(url, ownHttp ? undefined : client, true)),
    ...settings.httpUrls.map((url) => listen(url, client, false)),
    ...settings.metricsUrls.map((url) => listen(url, metrics, false)),
  ]);
}

async function bind(server: RpcServer, { url, address }: ListenUrl): Promise<void> {
  try {
    await server.listen(address);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new StartError(code === 'EADDRINUSE' ? `listen ${url}: address already in use` : `listen ${url}: ${message}`);
  }
}

function httpOptions(
  edge: Edge,
  settings: ProxySettings,
  config: ProcessContext['config'],
  logger: Logger,
  traffic: MetricSources['traffic'],
): HttpOptions {
  const { view, writes, reads, router, hub, siblings, attribution } = edge;
  const health = new HealthChecks(view, reads, logger);
  return {
    view,
    health,
    version: SERVER_VERSION,
    cors: config.http.cors,
    hostWhitelist: config.http.hostWhitelist,
    gateway: config.http.enableGateway ? createGateway(edge, settings, logger) : undefined,
    metrics: new Metrics({
      view,
      writes,
      reads,
      router,
      attribution,
      hub,
      health: health.counters,
      version: SERVER_VERSION,
      quotaBytes: config.limits.quotaBackendBytes,
      siblings,
      traffic,
    }),
  };
}

function createGateway(edge: Edge, settings: ProxySettings, logger: Logger): JsonGateway {
  const now = (): number => performance.now();
  return new JsonGateway({
    backend: createInProcessBackend(edge.router.asHandlers(), now),
    messageBytesMax: settings.messageBytesMax,
    refusesCommonNames: () => settings.tls?.clientCertAuth === true && edge.view.authEnabled,
    now,
    onDefect: (error) => logger.error({ err: error }, 'a request through the JSON gateway failed by our own mistake'),
  });
}

function traceStarter(tracing: Tracing): (request: Traced) => void {
  return (request) => {
    const header = request.call.metadata.find(([name]) => name === 'traceparent')?.[1];
    const span = tracing.startRequest(request.stats.path.slice(1), parseTraceparent(header));
    if (span === undefined) return;
    request.trace = encodeTrace(span.context);
    request.onEnd = (error) => span.end(error?.message);
  };
}

function untilReady(edge: Edge): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (edge.isReady) resolve();
      else setTimeout(check, READY_POLL_MS);
    };
    check();
  });
}
