import { failpoint } from '../../../libs/failpoints';
import type { Logger } from '../../../libs/process';
import type { NodeId } from '../../../libs/raft';
import type { Channel, ClientStream } from '../../../libs/rpc';
import {
  decodePeerStreamPart,
  encodePeerStreamPart,
  encodeStoreCopyRequest,
  PEER_PATHS,
  STORAGE_PATHS,
} from '../../../proto/gen/hexad';
import type { RaftLimits } from '../config';

const beforeSend = failpoint('raftBeforeSendSnap');
const afterSend = failpoint('raftAfterSendSnap');

export interface SenderOptions {
  readonly clusterId: bigint;
  readonly memberId: NodeId;
  readonly limits: RaftLimits;
  readonly logger: Logger;
  readonly now: () => number;
  /** A connection of its own to a member; undefined: nobody knows where it is. */
  readonly connectTo: (id: NodeId) => Channel | undefined;
  /** To the own storage. */
  readonly connectToStorage: () => Channel;
  /** Up to where the own store is durable. */
  readonly durableIndex: () => number;
  /** The core's `reportSnapshot`. */
  readonly report: (id: NodeId, ok: boolean) => void;
}

interface Transfer {
  readonly abort: (reason: string) => void;
  /** The log is kept from here on, since the copy begins no earlier. */
  readonly keepFrom: number;
  progressAt: number;
}

/**
 * Sends the store to members that need what the log no longer has. The bytes come from the own storage and go to the
 * member's raft, which hands them to its storage; they are not looked into here. One attempt at a time for each member; after
 * a failure the core is told only when the next attempt is due.
 */
export class SnapshotSender {
  private readonly transfers = new Map<NodeId, Transfer>();
  private readonly retries = new Map<NodeId, { failures: number; timer: NodeJS.Timeout }>();
  private closed = false;

  constructor(private readonly options: SenderOptions) {}

  /** Entries from this index on may be needed by a member that is being sent the store; undefined: no member is. */
  get keepFrom(): number | undefined {
    let keep: number | undefined;
    for (const transfer of this.transfers.values()) keep = Math.min(keep ?? transfer.keepFrom, transfer.keepFrom);
    return keep;
  }

  /** The core wants `to` to be sent a snapshot, and waits for the report. */
  begin(to: NodeId): void {
    if (this.closed || this.transfers.has(to)) return;
    const { options } = this;
    const remote = options.connectTo(to);
    if (remote === undefined) return this.failed(to, 'its address is not known');
    const local = options.connectToStorage();
    beforeSend.reach();
    options.logger.info({ to: hex(to) }, 'sending database snapshot to follower');
    this.transfers.set(to, this.pipe(to, remote, local));
  }

  /** Gives up on what makes no progress. */
  tick(): void {
    const before = this.options.now() - this.options.limits.copyStallMs;
    for (const transfer of this.transfers.values())
      if (transfer.progressAt < before) transfer.abort('it makes no progress');
  }

  /** The member has come back: it need not wait for the next attempt, and may not need one. */
  reconnected(id: NodeId): void {
    const retry = this.retries.get(id);
    if (retry === undefined) return;
    clearTimeout(retry.timer);
    this.retries.delete(id);
    if (!this.transfers.has(id)) this.options.report(id, false);
  }

  /** The member is gone. */
  forget(id: NodeId): void {
    this.transfers.get(id)?.abort('the member was removed');
    clearTimeout(this.retries.get(id)?.timer);
    this.retries.delete(id);
  }

  close(): void {
    this.closed = true;
    for (const transfer of this.transfers.values()) transfer.abort('this member stops');
    for (const { timer } of this.retries.values()) clearTimeout(timer);
  }

  private pipe(to: NodeId, remote: Channel, local: Channel): Transfer {
    const { clusterId, memberId, now, durableIndex } = this.options;
    const target = remote.stream(PEER_PATHS.Stream);
    const source = local.stream(STORAGE_PATHS.CopyOut);
    let over = false;
    const end = (reason: string | undefined, index: number): void => {
      if (over) return;
      over = true;
      this.transfers.delete(to);
      for (const stream of [target, source]) stream.cancel();
      for (const channel of [remote, local]) channel.close();
      if (reason === undefined) this.succeeded(to, index);
      else this.failed(to, reason);
    };
    const transfer: Transfer = {
      abort: (reason) => end(reason, 0),
      keepFrom: durableIndex() + 1,
      progressAt: now(),
    };
    relay(source, target, () => {
      transfer.progressAt = now();
    });
    target.send(encodePeerStreamPart({ hello: { clusterId, from: memberId, to, process: 'storage' } }));
    source.send(encodeStoreCopyRequest({}));
    source.halfClose();
    source.onClose((error) => {
      if (error === undefined) target.halfClose();
      else end(`own storage: ${error.message}`, 0);
    });
    target.onMessage((bytes) => {
      const { done } = decodePeerStreamPart(bytes);
      if (done !== undefined) end(undefined, done.index);
    });
    target.onClose((error) => end(error?.message ?? 'the member ended the stream early', 0));
    return transfer;
  }

  private succeeded(to: NodeId, index: number): void {
    afterSend.reach();
    this.options.logger.info({ to: hex(to), index }, 'sent database snapshot to follower');
    clearTimeout(this.retries.get(to)?.timer);
    this.retries.delete(to);
    this.options.report(to, true);
  }

  /** The report lets the core try again, so it waits for as long as that is to be. */
  private failed(to: NodeId, reason: string): void {
    const { limits, logger, report } = this.options;
    const failures = (this.retries.get(to)?.failures ?? 0) + 1;
    const delay = Math.min(limits.copyRetryMaxMs, limits.copyRetryFirstMs * 2 ** (failures - 1));
    logger.warn({ to: hex(to), error: reason, 'retry-ms': delay }, 'failed to send database snapshot to follower');
    if (this.closed) return;
    this.retries.set(to, { failures, timer: setTimeout(() => report(to, false), delay) });
  }
}

/** Passes on what comes, no faster than it is taken. */
function relay(source: ClientStream, target: ClientStream, onProgress: () => void): void {
  source.onMessage((data) => {
    onProgress();
    if (!target.send(encodePeerStreamPart({ data }))) source.pause();
  });
  target.onDrain(() => {
    onProgress();
    source.resume();
  });
}

function hex(id: NodeId): string {
  return id.toString(16);
}
