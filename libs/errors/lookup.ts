import { type CatalogueError, Errors, UNCATALOGUED_ID } from './catalogue';
import { GRPC_CODE_NAMES, GrpcCode, type RpcError } from './grpc-code';

const byId: CatalogueError[] = [];
const byMessage = new Map<string, CatalogueError>();
for (const error of Object.values<CatalogueError>(Errors)) {
  byId[error.id] = error;
  byMessage.set(error.message, error);
}

/**
 * The error that another process named. An id this version does not know, or UNCATALOGUED_ID, gives an uncatalogued error with
 * the text that came beside it.
 */
export function errorById(id: number, detail = ''): CatalogueError {
  return byId[id] ?? uncatalogued(detail === '' ? `etcdserver: unknown error ${id}` : detail);
}

export function errorByMessage(message: string): CatalogueError | undefined {
  return byMessage.get(message);
}

/** An error that no client matches on: code Unknown and the raw text, as etcd does. Its outcome is unknown. */
export function uncatalogued(message: string): CatalogueError {
  return { id: UNCATALOGUED_ID, code: GrpcCode.Unknown, message, outcome: 'unknown' };
}

/** The catalogue's error with this code and text, else an uncatalogued one with this code. */
export function toCatalogueError(error: RpcError): CatalogueError {
  const known = byMessage.get(error.message);
  return known?.code === error.code ? known : { ...uncatalogued(error.message), code: error.code };
}

/** The error as one text, the way Go's gRPC prints it: what a watch's `cancel_reason` holds. */
export function errorText({ code, message }: RpcError): string {
  return `rpc error: code = ${GRPC_CODE_NAMES[code]} desc = ${message}`;
}
