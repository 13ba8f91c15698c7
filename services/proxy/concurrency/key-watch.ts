import { Errors, type RpcError } from '../../../libs/errors';
import { decodeWatchResponse, type ResponseHeader } from '../../../proto/gen/etcdserverpb';
import type { Event } from '../../../proto/gen/mvccpb';
import type { Delivery } from '../watch/delivery';
import type { HubClient } from '../watch/hub-client';
import type { HubSession, SessionOwner } from '../watch/hub-session';
import type { Cancellation } from './cancellation';
import { Refusal } from './refusal';

export interface WatchedBatch {
  readonly header: ResponseHeader | undefined;
  readonly events: readonly Event[];
}

const LOST: RpcError = { code: 2, message: 'lost watcher waiting for delete' };

/** One watcher of this process itself, read batch by batch. */
export class KeyWatch implements SessionOwner {
  private readonly session: HubSession;
  private readonly batches: WatchedBatch[] = [];
  private failure: RpcError | undefined;
  private wake: (() => void) | undefined;

  constructor(
    private readonly hub: HubClient,
    range: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array; readonly startRevision: number },
    cancellation: Cancellation,
  ) {
    this.session = hub.openSession(this);
    this.session.create({ ...range, progressNotify: false, noPut: false, noDelete: false, prevKv: false }, 0, false);
    cancellation.onCancel(() => this.end(Errors.ContextCanceled));
  }

  /** Throws Refusal when the watcher has ended or the client has gone. */
  async next(): Promise<WatchedBatch> {
    for (;;) {
      const batch = this.batches.shift();
      if (batch !== undefined) return batch;
      if (this.failure !== undefined) throw new Refusal(this.failure);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  close(): void {
    this.hub.closeSession(this.session);
  }

  onCreated(): void {}

  onProgress(): void {}

  onCanceled(_watcher: unknown, delivery: Delivery): void {
    this.end(delivery.content.compactRevision > 0 ? Errors.Compacted : LOST);
  }

  onCanceledByLoss(): void {
    this.end(LOST);
  }

  onEvents(_watcher: unknown, delivery: Delivery): void {
    const { header, events } = decodeWatchResponse(delivery.message(0));
    this.batches.push({ header, events });
    this.wake?.();
  }

  private end(failure: RpcError): void {
    this.failure ??= failure;
    this.wake?.();
  }
}
