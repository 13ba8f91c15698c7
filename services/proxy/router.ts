import { Errors, type RpcError } from '../../libs/errors';
import type {
  ConnectionInfo,
  Handlers,
  Metadata,
  StreamCall,
  StreamHandler,
  UnaryCall,
  UnaryHandler,
} from '../../libs/rpc';
import { WireError } from '../../libs/wire';
import type { Admission } from './admission';
import { type Authenticator, isRefused, type Resolution } from './auth/authenticator';
import { type CallMetadata, readMetadata } from './auth/call-metadata';
import type { MemberView } from './member-view';
import { MethodStats, type MethodType } from './method-stats';
import { type RequestObserver, StreamRequest, UnaryRequest, type Traced } from './requests';

const CLIENT_VERSIONS_MAX = 64;

export interface UnaryRoute {
  readonly handle: (request: UnaryRequest) => void;
  /** Answered without asking who calls. */
  readonly isOpen?: boolean;
  /** Answered by a learner; `true` or a look at the request. */
  readonly learner?: boolean | ((request: UnaryRequest) => boolean);
}

export interface StreamRoute {
  readonly handle: (request: StreamRequest, metadata: CallMetadata) => void;
  readonly type: Exclude<MethodType, 'unary'>;
  readonly learner?: boolean;
}

export interface Routes {
  readonly unary?: Readonly<Record<string, UnaryRoute>>;
  readonly stream?: Readonly<Record<string, StreamRoute>>;
}

export interface RouterOptions {
  readonly view: MemberView;
  readonly authenticator: Authenticator;
  readonly observer: RequestObserver;
  readonly admission: Admission;
  /** Begins a request's span; leaves `trace` and `onEnd` in the request when it is sampled. Undefined: tracing is off. */
  readonly startTrace: ((request: Traced) => void) | undefined;
}

/**
 * Between the engine and the handlers: what etcd's interceptors do. Counts calls, refuses what this member can't serve
 * now, and finds out who calls.
 */
export class Router {
  readonly stats: MethodStats[] = [];
  readonly handlers: { unary: Record<string, UnaryHandler>; stream: Record<string, StreamHandler> } = {
    unary: {},
    stream: {},
  };
  /** Streams whose client wants them ended while there is no leader. */
  readonly leaderStreams = new Set<StreamRequest>();
  /** Requests by the client's version, `etcd_server_client_requests_total`. */
  readonly unaryByClient = new Map<string, number>();
  readonly streamsByClient = new Map<string, number>();
  private readonly openStreams = new Set<StreamRequest>();
  private stopped = false;

  constructor(private readonly options: RouterOptions) {}

  add(routes: Routes): void {
    for (const [path, route] of Object.entries(routes.unary ?? {})) {
      this.handlers.unary[path] = this.unaryHandler(route, this.newStats(path, 'unary'));
    }
    for (const [path, route] of Object.entries(routes.stream ?? {})) {
      this.handlers.stream[path] = this.streamHandler(route, this.newStats(path, route.type));
    }
  }

  asHandlers(): Handlers {
    return this.handlers;
  }

  /** The process stops: new calls are refused, streams end (their clients go on elsewhere), unary calls may finish. */
  stop(): void {
    this.stopped = true;
    for (const stream of this.openStreams) stream.end(Errors.Stopped);
  }

  /** Ends the streams that must not outlive the leader. Called by the coarse timer. */
  sweep(now: number, leaderlessMaxMs: number): void {
    const lostAt = this.options.view.leaderLostAt;
    if (lostAt === undefined || now - lostAt < leaderlessMaxMs) return;
    for (const stream of this.leaderStreams) stream.end(Errors.NoLeader);
  }

  get admission(): Admission {
    return this.options.admission;
  }

  /** Who calls; the callback may run at once. */
  identify(metadata: Metadata, connection: ConnectionInfo, callback: (resolution: Resolution) => void): void {
    const read = readMetadata(metadata);
    const resolution = this.options.authenticator.resolve(read, connection);
    if (resolution === undefined) this.options.authenticator.wait(read, connection, callback);
    else callback(resolution);
  }

  private newStats(path: string, type: MethodType): MethodStats {
    const stats = new MethodStats(path, type);
    this.stats.push(stats);
    return stats;
  }

  private unaryHandler(route: UnaryRoute, stats: MethodStats): UnaryHandler {
    const { observer, startTrace, admission } = this.options;
    return (call: UnaryCall) => {
      const request = new UnaryRequest(call, stats, observer, admission);
      const metadata = readMetadata(call.metadata);
      request.wantsTiming = metadata.wantsTiming && request.timed !== undefined;
      const refusal = this.refusal(metadata) ?? this.learnerRefusal(route, request);
      if (refusal !== undefined) {
        request.fail(refusal);
        return;
      }
      if (!request.admit()) {
        request.fail(Errors.TooManyRequests);
        return;
      }
      count(this.unaryByClient, metadata.clientApiVersion);
      startTrace?.(request);
      if (route.isOpen === true) handOver(route, request);
      else this.identifyAndHandOver(route, request, metadata);
    };
  }

  private identifyAndHandOver(route: UnaryRoute, request: UnaryRequest, metadata: CallMetadata): void {
    const { authenticator } = this.options;
    const { connection } = request.call;
    const resolution = authenticator.resolve(metadata, connection);
    if (resolution === undefined) {
      const since = this.options.observer.now();
      authenticator.wait(metadata, connection, (later) => {
        request.authMicros = Math.round((this.options.observer.now() - since) * 1000);
        proceed(route, request, later);
      });
    } else proceed(route, request, resolution);
  }

  private streamHandler(route: StreamRoute, stats: MethodStats): StreamHandler {
    return (call: StreamCall) => {
      const request = new StreamRequest(call, stats);
      const metadata = readMetadata(call.metadata);
      const learner = this.options.view.isLearner && route.learner !== true;
      const refusal = this.refusal(metadata) ?? (learner ? Errors.NotSupportedForLearner : undefined);
      if (refusal !== undefined) {
        request.end(refusal);
        return;
      }
      this.openStreams.add(request);
      request.onClose(() => this.openStreams.delete(request));
      count(this.streamsByClient, metadata.clientApiVersion);
      if (metadata.hasLeader) this.holdToLeader(request);
      this.options.startTrace?.(request);
      route.handle(request, metadata);
    };
  }

  private refusal(metadata: CallMetadata): RpcError | undefined {
    if (this.stopped) return Errors.Stopped;
    return metadata.hasLeader && !this.options.view.hasLeader ? Errors.NoLeader : undefined;
  }

  private learnerRefusal(route: UnaryRoute, request: UnaryRequest): RpcError | undefined {
    if (!this.options.view.isLearner) return undefined;
    const allowed = typeof route.learner === 'function' ? route.learner(request) : route.learner === true;
    return allowed ? undefined : Errors.NotSupportedForLearner;
  }

  private holdToLeader(request: StreamRequest): void {
    this.leaderStreams.add(request);
    request.onClose(() => this.leaderStreams.delete(request));
  }
}

/** Versions are a client's text: only a bounded number of them becomes a label. */
function count(counts: Map<string, number>, version: string): void {
  const before = counts.get(version);
  const label = before === undefined && counts.size >= CLIENT_VERSIONS_MAX ? '' : version;
  counts.set(label, (counts.get(label) ?? 0) + 1);
}

function proceed(route: UnaryRoute, request: UnaryRequest, resolution: Resolution): void {
  if (isRefused(resolution)) {
    request.fail(resolution);
    return;
  }
  request.identity = resolution;
  handOver(route, request);
}

/** Bytes that are not the message they should be are the client's mistake; anything else thrown is ours. */
function handOver(route: UnaryRoute, request: UnaryRequest): void {
  try {
    route.handle(request);
    request.handled();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    request.fail(Errors.MalformedRequest);
  }
}
