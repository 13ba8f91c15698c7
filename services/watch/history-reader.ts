import { Errors } from '../../libs/errors';
import type { Channel, ClientStream } from '../../libs/rpc';
import type { HistoryRequest, Revision } from '../../libs/watch-core';
import { decodeEventBatch, encodeHistoryRequest, type EventBatch, STORAGE_PATHS } from '../../proto/gen/hexad';

const CHUNK_BYTES = 256 * 1024;
const RETRY_MS = 50;

export interface HistoryEvents {
  onChunk(id: number, revisions: readonly Revision[], coveredTo: number, done: boolean): void;
  onCompacted(id: number, compactRevision: number): void;
  onFailed(id: number): void;
}

/** Reads spans of history from storage. One chunk at a time: the stream is held back until the hub asks for more. */
export class HistoryReader {
  private readonly reads = new Map<number, HistoryRead>();

  constructor(
    private readonly channel: Channel,
    private readonly events: HistoryEvents,
  ) {}

  open(request: HistoryRequest): void {
    this.reads.set(request.id, new HistoryRead(this.channel, request, this.end));
  }

  more(id: number): void {
    this.reads.get(id)?.more();
  }

  cancel(id: number): void {
    this.reads.get(id)?.cancel();
    this.reads.delete(id);
  }

  close(): void {
    for (const id of this.reads.keys()) this.cancel(id);
  }

  private readonly end: ReadEvents = {
    chunk: (id, revisions, coveredTo) => this.events.onChunk(id, revisions, coveredTo, false),
    finished: (id, coveredTo) => {
      this.reads.delete(id);
      this.events.onChunk(id, [], coveredTo, true);
    },
    compacted: (id, compactRevision) => {
      this.reads.delete(id);
      this.events.onCompacted(id, compactRevision);
    },
    // Not at once: storage may be restarting.
    failed: (id) => {
      setTimeout(() => {
        if (this.reads.delete(id)) this.events.onFailed(id);
      }, RETRY_MS);
    },
  };
}

interface ReadEvents {
  chunk(id: number, revisions: readonly Revision[], coveredTo: number): void;
  finished(id: number, coveredTo: number): void;
  compacted(id: number, compactRevision: number): void;
  failed(id: number): void;
}

class HistoryRead {
  private readonly stream: ClientStream;
  private readonly waiting: EventBatch[] = [];
  /** The hub has a chunk and has not asked for the next. */
  private busy = false;
  private ended: 'open' | 'ok' | 'failed' | 'over' = 'open';
  private coveredTo: number;
  /** Storage's revision as it said last: it can't have covered more. */
  private storeRevision = Number.POSITIVE_INFINITY;

  constructor(
    channel: Channel,
    private readonly request: HistoryRequest,
    private readonly events: ReadEvents,
  ) {
    this.coveredTo = request.from - 1;
    this.stream = channel.stream(STORAGE_PATHS.History);
    this.stream.onMessage((message) => this.receive(decodeEventBatch(message)));
    this.stream.onClose((error) => this.closed(error === undefined));
    const { from, to, key, rangeEnd, prevKv } = request;
    const fields = { fromRevision: from, toRevision: to, key, rangeEnd, prevKv, bytesMax: CHUNK_BYTES };
    this.stream.send(encodeHistoryRequest(fields));
    this.stream.halfClose();
  }

  more(): void {
    this.busy = false;
    // After other work had its chance: a long catch-up must not hold up live events.
    setImmediate(() => this.step());
  }

  cancel(): void {
    this.ended = 'over';
    this.stream.cancel();
  }

  private receive(batch: EventBatch): void {
    if (this.ended !== 'open') return;
    if (this.waiting.length === 0) this.stream.pause();
    this.waiting.push(batch);
    this.step();
  }

  private closed(ok: boolean): void {
    if (this.ended === 'over') return;
    this.ended = ok ? 'ok' : 'failed';
    this.step();
  }

  private step(): void {
    if (this.busy || this.ended === 'over') return;
    const batch = this.waiting.shift();
    if (batch !== undefined) this.use(batch);
    else if (this.ended === 'ok') this.finish();
    else if (this.ended === 'failed') this.fail();
    else this.stream.resume();
  }

  private use(batch: EventBatch): void {
    if (batch.error === Errors.Compacted.id) {
      this.cancel();
      this.events.compacted(this.request.id, batch.compactRevision);
      return;
    }
    if (batch.error !== 0) {
      this.cancel();
      this.fail();
      return;
    }
    if (batch.currentRevision > 0) this.storeRevision = batch.currentRevision;
    const last = batch.revisions.at(-1);
    if (last === undefined) {
      this.step();
      return;
    }
    this.busy = true;
    this.coveredTo = last.revision;
    this.events.chunk(this.request.id, batch.revisions, last.revision);
  }

  /** Storage has given all it has: up to the asked revision, unless it is itself behind. */
  private finish(): void {
    const coveredTo = Math.min(this.request.to, this.storeRevision);
    if (coveredTo < this.request.to && coveredTo <= this.coveredTo) this.fail();
    else {
      this.ended = 'over';
      this.events.finished(this.request.id, Math.max(coveredTo, this.coveredTo));
    }
  }

  private fail(): void {
    this.ended = 'over';
    this.events.failed(this.request.id);
  }
}
