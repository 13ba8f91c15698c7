import {
  decodeHealthCheckRequest,
  encodeHealthCheckResponse,
  HEALTH_PATHS,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../proto/gen/grpc_health_v1';
import { GrpcCode } from '../errors';
import type { Handlers, StreamCall, UnaryCall } from '../rpc';

const SERVING = encodeHealthCheckResponse({ status: ServingStatus.SERVING });
const SERVICE_UNKNOWN = encodeHealthCheckResponse({ status: ServingStatus.SERVICE_UNKNOWN });
const UNKNOWN = { code: GrpcCode.NotFound, message: 'unknown service' } as const;

/** `grpc.health.v1.Health` of an internal socket: the process, by the empty name, is SERVING from the moment it listens. */
export function healthHandlers(): Handlers {
  return {
    unary: {
      [HEALTH_PATHS.Check]: (call: UnaryCall) => {
        if (isProcess(call.request)) call.reply(SERVING);
        else call.fail(UNKNOWN);
      },
    },
    stream: {
      [HEALTH_PATHS.Watch]: (call: StreamCall) => {
        call.onMessage((message) => call.send(isProcess(message) ? SERVING : SERVICE_UNKNOWN));
      },
    },
  };
}

function isProcess(request: Uint8Array): boolean {
  try {
    return decodeHealthCheckRequest(request).service === '';
  } catch {
    return false; // bytes that are no request name no service of ours
  }
}
