import { clientMessageBytesMax, REQUEST_BYTES_MAX, SLOW_CLIENT_BYTES_MAX } from '../../limits';
import { messagePrefixBytes } from './constants';

/** What a peer may hold in flight towards us: windows that links fill in one go, and bounds that stop abuse. */
export const streamWindow = 4 * 1024 * 1024;
export const connectionWindow = 16 * 1024 * 1024;
/** SETTINGS_MAX_HEADER_LIST_SIZE. */
export const maxHeaderListBytes = 256 * 1024;
/** One header block with its CONTINUATION frames; Huffman coding cannot make a legal list larger than itself. */
export const maxHeaderBlockBytes = maxHeaderListBytes;
export const maxContinuations = 64;

/** Streams of one connection at most, whatever the server allows: each costs memory before anyone has seen its request. */
export const maxStreams = 250_000;
/** Requests that are not gRPC, per connection; they are slow and large. */
export const maxPlainStreams = 100;

/** Above this much unsent output frames wait in their streams. */
export const outputHighBytes = 256 * 1024;
/** Answers to control frames that a peer lets pile up unread. */
export const controlBacklogBytes = 64 * 1024;
/** Unary answers that wait for windows or for the socket, per connection. */
export const replyBacklogBytes = 64 * 1024 * 1024;
/** Incomplete messages and those of paused streams, per connection. */
export const assemblyBytes = 64 * 1024 * 1024;
/** Header lists of the open calls of one connection, counted as in SETTINGS_MAX_HEADER_LIST_SIZE. */
export const headerBytesMax = 64 * 1024 * 1024;
/** A connection that makes us hold more takes no more messages of streams before they are read. */
export const cloggedBytes = 32 * 1024 * 1024;

/**
 * Cheap frames that make work for nothing are paid from an allowance that refills with time: units per second and the most
 * that can be saved up.
 */
export const abuseRefillPerSecond = 100_000;
export const abuseAllowance = 1_000_000;
export const AbuseCost = {
  settings: 200,
  reset: 100,
  ping: 20,
  emptyFrame: 20,
  refusedStream: 100,
  priority: 2,
  unknownFrame: 2,
  windowUpdate: 1,
} as const;

if (streamWindow < clientMessageBytesMax(REQUEST_BYTES_MAX) + messagePrefixBytes || connectionWindow < streamWindow)
  throw new Error('windows');
if (maxHeaderListBytes > headerBytesMax || cloggedBytes > replyBacklogBytes) throw new Error('memory of a connection');
// One client alone can't make the server end others for it.
if (assemblyBytes + replyBacklogBytes + headerBytesMax > SLOW_CLIENT_BYTES_MAX)
  throw new Error('memory of all clients');
