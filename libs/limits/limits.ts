/** Every limit that two places must agree on. Bytes, milliseconds and counts, as the names say. */

const KIB = 1024;
const MIB = 1024 * KIB;

// What a client may send (etcd's defaults).
/** Largest proposal, measured on the encoded request. */
export const REQUEST_BYTES_MAX = 1_572_864;
/** How much larger than a request a gRPC message may be before the transport refuses it. */
export const GRPC_OVERHEAD_BYTES = 512 * KIB;
/** Operations in one branch of a transaction. */
export const TXN_OPS_MAX = 128;
export const LEASE_TTL_SECONDS_MAX = 9_000_000_000;
export const LEARNERS_MAX = 1;

// Time.
export const HEARTBEAT_MS = 100;
export const ELECTION_MS = 1000;
const REQUEST_BASE_MS = 5000;
export const WATCH_PROGRESS_INTERVAL_MS = 600_000;
/** A progress notification's interval is never shorter. */
export const WATCH_PROGRESS_INTERVAL_MS_MIN = 100;
export const AUTH_TOKEN_TTL_SECONDS = 300;
/** A member must have been reachable this long before the voters are changed (strict reconfiguration check). */
export const HEALTH_INTERVAL_MS = 5000;

/** How long a request waits before it is answered with a timeout. */
export function requestTimeoutMs(electionMs: number): number {
  return REQUEST_BASE_MS + 2 * electionMs;
}

/** The least TTL a lease is granted, in seconds. */
export function leaseTtlSecondsMin(electionMs: number): number {
  return Math.ceil((1.5 * electionMs) / 1000);
}

// Flow. Admission refuses ("too many requests") before any queue below it can be full.
/** Concurrent clients that are served without a refusal, however they are spread over connections. */
export const CLIENTS_SERVED = 16_000;
/** Unary requests under way per proxy. One connection may have half of them. */
export const REQUESTS_IN_FLIGHT_MAX = 32_768;
/** Reads that storage lets wait for an index. A request may need two: its own, and one for its caller's permission. */
export const READS_WAITING_MAX = 65_536;
/** Proposals that raft lets wait for a leader. */
export const PROPOSALS_HELD_MAX = 20_000;
/** Connections of one listener, as far as the process may open files. */
export const CONNECTIONS_MAX = 65_536;
/** Files that a process keeps for itself when connections are counted against its limit (etcd's number). */
export const RESERVED_FILES = 150;
/** What slow clients may make a proxy hold for them, all together. */
export const SLOW_CLIENT_BYTES_MAX = 512 * MIB;
/** Committed entries that may wait to be applied. */
export const APPLY_BACKLOG_ENTRIES_MAX = 5000;
/** Proposals under way per proxy, in bytes. */
export const PROPOSALS_IN_FLIGHT_BYTES_MAX = 64 * MIB;
/** One batch between processes closes at this size; a single larger message travels alone. */
export const BATCH_BYTES_SOFT_MAX = 1 * MIB;
/** Largest message on an internal link. */
export const INTERNAL_MESSAGE_BYTES_MAX = 64 * MIB;
/** A reader that leaves this much unread on a link is disconnected. */
export const LINK_QUEUE_BYTES_MAX = 128 * MIB;
/** Events kept for one client's watch stream before it is paused and later served from history. */
export const WATCH_STREAM_QUEUE_BYTES_MAX = 4 * MIB;

// Watch.
/** How long after its last watcher has gone a hub still follows events. */
export const WATCH_REST_AFTER_MS = 60_000;
/** Upper bounds of the classes in which hubs count how old live events are when they leave. */
export const WATCH_LAG_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
/** Revisions in one WatchResponse. */
export const WATCH_BATCH_REVISIONS_MAX = 1000;
/** Blob of one SnapshotResponse. */
export const SNAPSHOT_CHUNK_BYTES = 32 * KIB;
/** RangeStream's first chunk, in keys. */
export const RANGE_STREAM_FIRST_KEYS = 10;

// Leases.
export const LEASE_REVOKES_PER_SCAN_MAX = 500;
export const LEASE_SCAN_MS = 500;
export const LEASE_CHECKPOINTS_PER_ENTRY_MAX = 1000;
export const LEASE_CHECKPOINT_INTERVAL_MS = 300_000;

// Store.
export const QUOTA_BYTES_DEFAULT = 2 * 1024 * MIB;
export const COMPACTION_BATCH_KEYS = 1000;

/** Largest gRPC message a client may send. */
export function clientMessageBytesMax(requestBytesMax: number): number {
  return requestBytesMax + GRPC_OVERHEAD_BYTES;
}

/** A watcher that asked for fragments gets responses below this size. */
export function watchFragmentBytes(requestBytesMax: number): number {
  return requestBytesMax + GRPC_OVERHEAD_BYTES;
}
