import {
  decodeHealthCheckRequest,
  encodeHealthCheckResponse,
  HEALTH_PATHS,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../proto/gen/grpc_health_v1';
import type { MemberView } from './member-view';
import type { StreamRequest } from './requests';
import type { Routes } from './router';

const WHOLE_SERVER = '';
const UNKNOWN = { code: 5, message: 'unknown service' } as const;

interface Watcher {
  readonly service: string;
  readonly stream: StreamRequest;
  told: number;
}

export interface HealthServiceOptions {
  readonly view: Pick<MemberView, 'hasLeader' | 'feedReady'>;
  /** Names of the services of the client port. */
  readonly services: () => Iterable<string>;
}

/**
 * grpc.health.v1 of the client port. The empty name is the server itself, which serves as long as it answers, as in etcd. Beyond etcd
 * each service has its own name, and serves while a leader is known; who watches is told of every change.
 */
export class HealthService {
  private readonly watchers = new Set<Watcher>();
  private names: ReadonlySet<string> | undefined;

  constructor(private readonly options: HealthServiceOptions) {}

  routes(): Routes {
    return {
      unary: {
        [HEALTH_PATHS.Check]: {
          isOpen: true,
          learner: true,
          handle: (request) => {
            const status = this.statusOf(decodeHealthCheckRequest(request.body).service);
            if (status === ServingStatus.SERVICE_UNKNOWN) request.fail(UNKNOWN);
            else request.reply(encodeHealthCheckResponse({ status }));
          },
        },
      },
      stream: {
        [HEALTH_PATHS.Watch]: { type: 'server_stream', learner: true, handle: (request) => this.watch(request) },
      },
    };
  }

  /** Called by the coarse timer. */
  sweep(): void {
    for (const watcher of this.watchers) this.tell(watcher);
  }

  private watch(stream: StreamRequest): void {
    stream.onMessage((message) => {
      const watcher = { service: decodeHealthCheckRequest(message).service, stream, told: -1 };
      this.watchers.add(watcher);
      stream.onClose(() => this.watchers.delete(watcher));
      this.tell(watcher);
    });
  }

  private tell(watcher: Watcher): void {
    const status = this.statusOf(watcher.service);
    if (status === watcher.told) return;
    watcher.told = status;
    watcher.stream.send(encodeHealthCheckResponse({ status }));
  }

  private statusOf(service: string): number {
    if (service === WHOLE_SERVER) return ServingStatus.SERVING;
    this.names ??= new Set(this.options.services());
    if (!this.names.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    const { hasLeader, feedReady } = this.options.view;
    return hasLeader && feedReady ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }
}
