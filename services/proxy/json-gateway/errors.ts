/** Errors as JSON. One body serves the clients of both generations of etcd's gateway, which had different ones. */
import { STATUS_CODES } from 'node:http';
import { GrpcCode, type RpcError } from '../../../libs/errors';

const HTTP_STATUS: Readonly<Record<GrpcCode, number>> = {
  [GrpcCode.OK]: 200,
  [GrpcCode.Cancelled]: 499,
  [GrpcCode.Unknown]: 500,
  [GrpcCode.InvalidArgument]: 400,
  [GrpcCode.DeadlineExceeded]: 504,
  [GrpcCode.NotFound]: 404,
  [GrpcCode.AlreadyExists]: 409,
  [GrpcCode.PermissionDenied]: 403,
  [GrpcCode.ResourceExhausted]: 429,
  [GrpcCode.FailedPrecondition]: 400,
  [GrpcCode.Aborted]: 409,
  [GrpcCode.OutOfRange]: 400,
  [GrpcCode.Unimplemented]: 501,
  [GrpcCode.Internal]: 500,
  [GrpcCode.Unavailable]: 503,
  [GrpcCode.DataLoss]: 500,
  [GrpcCode.Unauthenticated]: 401,
};

export function httpStatusOf(code: GrpcCode): number {
  return HTTP_STATUS[code] ?? 500;
}

/** `error` is what clients of etcd ≤ 3.5 read, `code` and `message` what later ones do. */
export function unaryErrorBody({ code, message }: RpcError): string {
  return JSON.stringify({ error: message, code, message });
}

/** One line of a stream. `grpc_code`, `http_code` and `http_status` are for clients of etcd ≤ 3.5. */
export function streamErrorLine({ code, message }: RpcError): string {
  const httpCode = httpStatusOf(code);
  const error = {
    grpc_code: code,
    http_code: httpCode,
    message,
    http_status: STATUS_CODES[httpCode] ?? '',
    code,
  };
  return `${JSON.stringify({ error })}\n`;
}
