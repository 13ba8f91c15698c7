import { READS_WAITING_MAX, REQUESTS_IN_FLIGHT_MAX } from '../../libs/limits';

/** Every bound of this process that no other place must agree on (those are in libs/limits). Bytes and milliseconds unless the name says otherwise. */
export const Limits = {
  /** Proposals that wait for their result; more are answered "too many requests". */
  pendingWritesMax: REQUESTS_IN_FLIGHT_MAX,
  /** Reads that wait for a read index or for storage. Some requests ask for their caller's permission as well. */
  pendingReadsMax: READS_WAITING_MAX,
  pendingReadBytesMax: 64 * 1024 * 1024,
  /** A read whose link to storage broke is sent again until it has been sent this often. */
  readSendsMax: 2,
  /** Contexts under way to raft at once; reads that arrive later share the next one. */
  readContextsMax: 4,
  /** A read index that got no answer is asked for again after this long. */
  readIndexRetryMs: 500,
  /** How often the coarse timer looks at deadlines; no request has a timer of its own. */
  sweepMs: 100,
  /** An answer to a change of the auth records waits this long at most for this process to have seen it. */
  ownChangeSeenMs: 1_000,
  /** Requests that wait for a token's entry to be applied here. */
  tokenWaitersMax: 1_024,
  /** Keep-alives of one stream that wait for their answer; no more of it are read until then. */
  keepAlivesPendingMax: 256,
  watchSessionsMax: 1_000_000,
  /** Requests of one watch stream that wait for a permission check. */
  watchRequestsMax: 4_096,
  /** Watchers that saw nothing ask the hub this often how far they are. */
  watchProgressEveryMs: 20_000,
  drainGraceMs: 2_000,
  /** Log lines about peers that break the rules. */
  peerProblemsPerWindow: 100,
  peerProblemsWindowMs: 10_000,
} as const;
