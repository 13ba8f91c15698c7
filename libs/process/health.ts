import {
  encodeHealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../proto/gen/grpc_health_v1';
import type { Handlers, StreamCall, UnaryCall } from '../rpc';

const SERVING = encodeHealthCheckResponse({ status: ServingStatus.SERVING });

/** `grpc.health.v1.Health` of an internal socket: SERVING from the moment it listens. */
export function healthHandlers(): Handlers {
  return {
    unary: { '/grpc.health.v1.Health/Check': (call: UnaryCall) => call.reply(SERVING) },
    stream: {
      '/grpc.health.v1.Health/Watch': (call: StreamCall) => {
        call.onMessage(() => call.send(SERVING));
      },
    },
  };
}
