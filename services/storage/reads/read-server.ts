import type { BusyPeriod } from '../../../libs/attribution';
import { Errors } from '../../../libs/errors';
import { CorruptionError, type Store } from '../../../libs/mvcc';
import { type BatchCall, type BatchPeer, batchHandler, type StreamHandler } from '../../../libs/rpc';
import { WireError } from '../../../libs/wire';
import type { Gate } from '../gate';
import { StorageMethod } from '../../../proto/gen/hexad';
import type { StorageCounts } from '../counts';
import { limits } from '../limits';

/** Answers one call through `peer.reply`, now or later. May throw WireError for a payload that is not what it should be. */
export type ReadMethod = (call: BatchCall, peer: BatchPeer) => void;

/** Whether the store may be read, and who is told when it turns out that it can't. */
export interface Soundness {
  /** A member out of service answers only what does not come from the keys. */
  mayAnswer(method: number): boolean;
  /** Returns if the process goes on. */
  damaged(error: CorruptionError): void;
}

interface WaitingRead {
  readonly call: BatchCall;
  readonly peer: BatchPeer;
}

export interface ReadServerOptions {
  /** Microseconds of the host's clock; undefined: no stage stamps. */
  readonly clock?: (() => number) | undefined;
  /** What kept storage from answering lately. */
  readonly busy?: (now: number) => BusyPeriod | undefined;
  readonly counts?: Pick<StorageCounts, 'ranges'>;
}

/** Answers reads, each from a view at or after the index it requires. Those that came too early wait, in index order. */
export class ReadServer {
  readonly handler: StreamHandler;
  /** Ascending by required index, arrival order among equals. */
  private waiting: WaitingRead[] = [];
  private waitingBytes = 0;
  private readonly counts: Pick<StorageCounts, 'ranges'>;

  constructor(
    private readonly store: Store,
    private readonly gate: Gate,
    private readonly methods: ReadonlyMap<number, ReadMethod>,
    private readonly soundness: Soundness,
    { clock, busy, counts }: ReadServerOptions = {},
  ) {
    this.counts = counts ?? { ranges: 0 };
    this.handler = batchHandler(
      (calls, peer) => {
        for (const call of calls) this.accept(call, peer);
      },
      { maxBufferedBytes: limits.readerBufferedBytesMax, clock, busy },
    );
    gate.whenOpen(() => this.afterApply());
  }

  /** Answers what had to wait for entries that are applied by now. */
  afterApply(): void {
    if (this.waiting.length === 0 || !this.gate.isOpen) return;
    const applied = this.store.applied.index;
    let ready = 0;
    while (ready < this.waiting.length && (this.waiting[ready] as WaitingRead).call.requiredIndex <= applied) ready++;
    if (ready === 0) return;
    for (const { call, peer } of this.waiting.splice(0, ready)) {
      peer.begin();
      this.waitingBytes -= call.payload.length;
      if (!peer.closed) this.answer(call, peer);
    }
  }

  get waitingCount(): number {
    return this.waiting.length;
  }

  private accept(call: BatchCall, peer: BatchPeer): void {
    if (!this.soundness.mayAnswer(call.method)) peer.reply(call.id, Errors.Corrupt.id);
    else if (this.gate.isOpen && call.requiredIndex <= this.store.applied.index) this.answer(call, peer);
    else if (this.waiting.length >= limits.waitingReadsMax || this.waitingBytes > limits.waitingReadBytesMax) {
      peer.reply(call.id, Errors.TooManyRequests.id);
    } else this.enqueue({ call, peer });
  }

  private enqueue(read: WaitingRead): void {
    const index = read.call.requiredIndex;
    let at = this.waiting.length;
    while (at > 0 && (this.waiting[at - 1] as WaitingRead).call.requiredIndex > index) at--;
    if (at === this.waiting.length) this.waiting.push(read);
    else this.waiting.splice(at, 0, read);
    this.waitingBytes += read.call.payload.length;
  }

  private answer(call: BatchCall, peer: BatchPeer): void {
    if (call.method === StorageMethod.STORAGE_RANGE) this.counts.ranges++;
    const method = this.methods.get(call.method);
    if (method === undefined) {
      peer.reply(call.id, Errors.UnknownMethod.id);
      return;
    }
    try {
      method(call, peer);
    } catch (error) {
      if (error instanceof CorruptionError) {
        peer.reply(call.id, Errors.Corrupt.id);
        this.soundness.damaged(error);
      } else if (error instanceof WireError) peer.reply(call.id, Errors.MalformedRequest.id);
      else throw error;
    }
  }
}
