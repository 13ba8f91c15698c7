export { type CatalogueError, type ErrorName, Errors, type Outcome, UNCATALOGUED_ID } from './catalogue';
export { GRPC_CODE_NAMES, GrpcCode, type RpcError } from './grpc-code';
export { errorById, errorByMessage, errorText, toCatalogueError, uncatalogued } from './lookup';
export { WatchReasons } from './watch-reasons';
