import {
  decodeHealthCheckRequest,
  encodeHealthCheckResponse,
  HEALTH_PATHS,
  HealthCheckResponse_ServingStatus,
} from '../../proto/gen/grpc_health_v1';
import type { Routes } from './router';

const SERVING = encodeHealthCheckResponse({ status: HealthCheckResponse_ServingStatus.SERVING });

/** grpc.health.v1 of the client port: the whole server, by the empty name. */
export function healthRoutes(): Routes {
  const unknown = { code: 5, message: 'unknown service' } as const;
  return {
    unary: {
      [HEALTH_PATHS.Check]: {
        isOpen: true,
        learner: true,
        handle: (request) => {
          if (decodeHealthCheckRequest(request.body).service === '') request.reply(SERVING);
          else request.fail(unknown);
        },
      },
    },
    stream: {
      [HEALTH_PATHS.Watch]: {
        type: 'server_stream',
        learner: true,
        handle: (request) => request.onMessage(() => request.send(SERVING)),
      },
    },
  };
}
