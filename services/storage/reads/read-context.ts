import { type CatalogueError, Errors } from '../../../libs/errors';
import { CorruptionError } from '../../../libs/mvcc';
import type { KeysOfLease } from '../../../libs/rbac';
import type { BatchCall, BatchPeer } from '../../../libs/rpc';
import type { Writer } from '../../../libs/wire';
import type { MaintenanceCounts } from '../maintenance-counts';
import type { ResponseHeaders } from '../headers';
import type { ReplicatedState } from '../state/state';
import type { ReadMethod } from './read-server';

/** What the read methods share. */
export interface ReadContext {
  readonly state: ReplicatedState;
  readonly headers: ResponseHeaders;
  /** Effective quota in bytes; 0: none. */
  readonly quotaBytes: number;
  readonly keysOfLease: KeysOfLease;
  readonly counts: MaintenanceCounts;
  /** What was read is not what was written; returns if the process goes on. */
  readonly damaged: (error: CorruptionError) => void;
}

export type ReadEntry = readonly [method: number, handler: ReadMethod];

/** Replies with an error, or returns false when there is none. */
export function refusedRead(call: BatchCall, peer: BatchPeer, error: CatalogueError | undefined): boolean {
  if (error === undefined) return false;
  peer.reply(call.id, error.id);
  return true;
}

/** For reads that take several turns: what has rotted is an answer, anything else ends the process. */
export function failedLater({ damaged }: ReadContext, call: BatchCall, peer: BatchPeer): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof CorruptionError)) throw error;
    peer.reply(call.id, Errors.Corrupt.id);
    damaged(error);
  };
}

/** Replies with a response whose header carries the current revision. */
export function replyWith<T>(
  context: ReadContext,
  call: BatchCall,
  peer: BatchPeer,
  write: (w: Writer, body: T) => void,
  body: T,
): void {
  const { store } = context.state;
  peer.reply(call.id, 0, context.headers.response(write, body, store.revision, store.applied.term));
}
