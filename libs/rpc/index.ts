/** gRPC for every process: the only place that knows which engine speaks it. */
export * from './cancel-listener';
export * from './types';
export type * from './transport-types';
export { defaultAuthority, formatAddress } from './address';
export { connect, createServer, defaultEngine, type Engine, substituteEngine } from './connect';
export { MovableChannel } from './movable-channel';
export { flushNow } from './native/turn';
export { createLink, type Link, type LinkOptions } from './link';
export { type BatchCall, type BatchReply, busyOf, decodeReplyBatch, encodeCallBatch, sentAtOf } from './batch-codec';
export { BatchClient, type BatchCallOptions, type BatchClientOptions } from './batch-client';
export { batchHandler, type BatchHandler, type BatchPeer, type BatchServerOptions } from './batch-server';
