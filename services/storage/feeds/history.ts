import { Errors } from '../../../libs/errors';
import type { Store, StoredVersion } from '../../../libs/mvcc';
import { RangeSet } from '../../../libs/rbac';
import type { StreamCall } from '../../../libs/rpc';
import { decodeHistoryRequest, encodeEventBatch, type HistoryRequest } from '../../../proto/gen/hexad';
import type { Gate } from '../gate';
import { limits } from '../limits';
import type { Identity } from '../state/ids';
import { batchFrame } from './events';
import { type EncodableChange, RevisionBuffer } from './revision-buffer';
import { onRequest } from './subscription';

const NO_BYTES = new Uint8Array(0);

/** Serves spans of past revisions, in chunks: the next is read only when the last has been taken. */
export class HistoryServer {
  constructor(
    private readonly store: Store,
    private readonly identity: Identity,
    private readonly gate: Gate,
  ) {}

  serve(call: StreamCall): void {
    onRequest(call, decodeHistoryRequest, (request) => {
      this.gate.whenOpen(() => new HistoryRun(this.store, this.identity, call, request).step());
    });
  }
}

/** One answer under way. */
class HistoryRun {
  private next: number;
  /** Inclusive; beyond the store's revision when more is asked for than there is. */
  private readonly to: number;
  private readonly chunkBytes: number;
  private readonly wanted: RangeSet | undefined;
  private readonly chunk = new RevisionBuffer({ previousKnown: false, previousBytesMax: Number.POSITIVE_INFINITY });

  constructor(
    private readonly store: Store,
    private readonly identity: Identity,
    private readonly call: StreamCall,
    private readonly request: HistoryRequest,
  ) {
    this.next = Math.max(1, request.fromRevision);
    this.to = request.toRevision === 0 ? store.revision : request.toRevision;
    this.chunkBytes = Math.min(request.bytesMax || limits.historyChunkBytes, limits.historyChunkBytes);
    const everything = request.key.length === 0 && request.rangeEnd.length === 0;
    this.wanted = everything ? undefined : new RangeSet([request]);
  }

  step(): void {
    if (this.call.cancelled) return;
    if (this.next < this.store.compactRevision) {
      this.call.send(encodeEventBatch({ ...batchFrame(this.store, this.identity), error: Errors.Compacted.id }));
      this.call.end();
      return;
    }
    if (this.next > Math.min(this.to, this.store.revision)) {
      // Says, also to whoever got no events, how far the store itself is: what was asked beyond that is not covered.
      this.call.send(encodeEventBatch({ ...batchFrame(this.store, this.identity), previousRevision: this.next - 1 }));
      this.call.end();
      return;
    }
    if (this.sendChunk()) setImmediate(() => this.step());
    else this.call.onDrain(() => this.step());
  }

  /** False when the receiver is behind. */
  private sendChunk(): boolean {
    const previousRevision = this.next - 1;
    const to = Math.min(this.to, this.store.revision);
    const slice = this.store.history(this.next, to, this.chunkBytes);
    this.next = slice.next;
    for (const { revision, versions } of slice.revisions) {
      const changes = versions.filter((version) => this.isWanted(version)).map((version) => this.change(version));
      if (changes.length > 0) this.chunk.append(revision, changes);
    }
    const frame = encodeEventBatch({ ...batchFrame(this.store, this.identity), previousRevision });
    return this.call.send(this.chunk.take(frame));
  }

  private isWanted(version: StoredVersion): boolean {
    return this.wanted === undefined || this.wanted.contains(version.key, NO_BYTES);
  }

  private change(version: StoredVersion): EncodableChange {
    return { version, previous: this.request.prevKv ? this.store.previousOf(version) : undefined };
  }
}
