import {
  decodeDeleteRangeResponse,
  decodeLeaseGrantResponse,
  decodeRangeResponse,
  decodeTxnResponse,
  type DeleteRangeResponse,
  encodeDeleteRangeRequest,
  encodeLeaseGrantRequest,
  encodeRangeRequest,
  encodeTxnRequest,
  type RangeRequestInput,
  type RangeResponse,
  type TxnRequestInput,
  type TxnResponse,
} from '../../../proto/gen/etcdserverpb';
import { EntryKind, StorageMethod } from '../../../proto/gen/hexad';
import { type Answer, type Outcome, outcomeOf } from '../answer';
import type { Identity } from '../identity';
import { randomLeaseId } from '../lease';
import type { ReadPipeline } from '../reads';
import type { HubClient } from '../watch/hub-client';
import type { WritePipeline } from '../writes';
import type { Cancellation } from './cancellation';
import { KeyWatch } from './key-watch';
import { Refusal } from './refusal';

export interface StoreClientOptions {
  readonly writes: Pick<WritePipeline, 'submit'>;
  readonly reads: Pick<ReadPipeline, 'linearizable'>;
  readonly hub: HubClient;
}

/** The edge's own paths to the store, for what it serves on top of them, as one user. Everything may throw Refusal. */
export class StoreClient {
  constructor(
    private readonly options: StoreClientOptions,
    private readonly identity: Identity,
    readonly cancellation: Cancellation,
  ) {}

  /** The same, but not given up when the caller goes: for cleaning up after it. */
  withoutCancellation(): StoreClient {
    return new StoreClient(this.options, this.identity, { cancelled: false, onCancel: () => undefined });
  }

  async txn(request: TxnRequestInput): Promise<TxnResponse> {
    return decodeTxnResponse(await this.propose(EntryKind.ENTRY_TXN, encodeTxnRequest(request)));
  }

  async delete(key: Uint8Array): Promise<DeleteRangeResponse> {
    const body = encodeDeleteRangeRequest({ key });
    return decodeDeleteRangeResponse(await this.propose(EntryKind.ENTRY_DELETE_RANGE, body));
  }

  /** A new lease's id. */
  async grantLease(ttlSeconds: number): Promise<bigint> {
    const body = encodeLeaseGrantRequest({ ID: randomLeaseId(), TTL: ttlSeconds });
    return decodeLeaseGrantResponse(await this.propose(EntryKind.ENTRY_LEASE_GRANT, body)).ID;
  }

  async range(request: RangeRequestInput): Promise<RangeResponse> {
    const payload = encodeRangeRequest(request);
    const { reads } = this.options;
    const read = (answer: Answer): void =>
      reads.linearizable(StorageMethod.STORAGE_RANGE, payload, this.identity, answer);
    return decodeRangeResponse(await this.finish(read));
  }

  /** Events from `startRevision` on, one batch at a time. To be closed. */
  watch(key: Uint8Array, rangeEnd: Uint8Array, startRevision: number): KeyWatch {
    return new KeyWatch(this.options.hub, { key, rangeEnd, startRevision }, this.cancellation);
  }

  private propose(kind: number, body: Uint8Array): Promise<Uint8Array> {
    return this.finish((answer) => this.options.writes.submit(kind, body, this.identity, answer));
  }

  private async finish(start: (answer: Answer) => void): Promise<Uint8Array> {
    const outcome: Outcome = await outcomeOf(start);
    if (!outcome.ok) throw new Refusal(outcome.error);
    return outcome.response;
  }
}
