import { UNCATALOGUED_ID } from '../../../libs/errors';
import type { Position } from '../../../libs/mvcc';
import type { StreamCall } from '../../../libs/rpc';
import { decodeResultsRequest, encodeResultBatch, type ResultInput } from '../../../proto/gen/hexad';
import type { ApplyOutcome } from '../apply/applier';
import type { ApplyStamps, ResultStamps } from '../apply-stamps';
import { limits, tooLarge } from '../limits';
import { onRequest, Subscription } from './subscription';

type LocalListener = (sequence: number, errorId: number) => void;

class Subscriber {
  pending: ResultInput[] = [];
  pendingBytes = 0;
  termStarted = 0;

  constructor(private readonly subscription: Subscription) {}

  push(result: ResultInput, bytes: number, appliedIndex: number): void {
    this.pending.push(result);
    this.pendingBytes += bytes;
    if (this.pendingBytes > limits.messageBytesTarget) this.flush(appliedIndex);
  }

  flush(appliedIndex: number, stamps?: ResultStamps): void {
    if (this.pending.length === 0 && this.termStarted === 0) return;
    const { pending: results, termStarted } = this;
    this.subscription.send(encodeResultBatch({ results, appliedIndex, termStarted, ...stamps }));
    this.pending = [];
    this.pendingBytes = 0;
    this.termStarted = 0;
  }
}

/** Sends each applied entry's result to the process that proposed it, if it has subscribed with that origin. */
export class ResultsFeed {
  private readonly subscribers = new Map<number, Subscriber>();
  private readonly locals = new Map<number, LocalListener>();

  constructor(private readonly stamps?: Pick<ApplyStamps, 'sliceEnds'>) {}

  serve(call: StreamCall): void {
    onRequest(call, decodeResultsRequest, ({ origin }) => {
      const subscriber: Subscriber = new Subscriber(
        new Subscription(call, () => {
          if (this.subscribers.get(origin) === subscriber) this.subscribers.delete(origin);
        }),
      );
      this.subscribers.set(origin, subscriber);
    });
  }

  /** For proposals of this process itself. */
  listen(origin: number, listener: LocalListener): void {
    this.locals.set(origin, listener);
  }

  /** Origin 0 stands for nobody: the entries of the bootstrap. */
  add(origin: number, sequence: number, outcome: ApplyOutcome, position: Position): void {
    const { index, term } = position;
    const error = outcome.error === undefined ? 0 : outcome.error.id;
    const subscriber = this.subscribers.get(origin);
    if (subscriber !== undefined) {
      const { response } = outcome;
      if (response.length <= limits.responseBytesMax) {
        subscriber.push({ sequence, error, response, index, term }, response.length, index);
      } else {
        const errorDetail = tooLarge(response.length);
        subscriber.push({ sequence, error: UNCATALOGUED_ID, errorDetail, index, term }, 0, index);
      }
    } else if (this.locals.size > 0) {
      this.locals.get(origin)?.(sequence, error);
    }
  }

  /** Leaves with, and after, the results of all entries before. */
  termStarted(term: number): void {
    for (const subscriber of this.subscribers.values()) subscriber.termStarted = term;
  }

  flush(appliedIndex: number): void {
    const stamps = this.stamps?.sliceEnds(appliedIndex);
    for (const subscriber of this.subscribers.values()) subscriber.flush(appliedIndex, stamps);
  }
}
