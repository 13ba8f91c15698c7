import { acquireWriter, type Writer } from '../wire';
import type { KeyEvent } from './types';

// etcdserverpb.WatchResponse.events = 11; mvccpb.Event: type = 1 (DELETE 1), kv = 2, prev_kv = 3.
const TAG_EVENTS = 0x5a;
const TAG_TYPE = 0x08;
const TAG_KV = 0x12;
const TAG_PREV_KV = 0x1a;
/** Bytes that an event costs in memory beside its own bytes, roughly. */
const OVERHEAD_BYTES = 200;

/** An event that remembers its wire forms, so that it is encoded once for all who want it. */
export class SharedEvent implements KeyEvent {
  readonly key: Uint8Array;
  readonly isDelete: boolean;
  readonly kv: Uint8Array;
  readonly previousRevision: number;
  private prevKvBytes: Uint8Array;
  private plain: Uint8Array | undefined;
  private withPrevious: Uint8Array | undefined;

  constructor(event: KeyEvent) {
    this.key = event.key;
    this.isDelete = event.isDelete;
    this.kv = event.kv;
    this.previousRevision = event.previousRevision;
    this.prevKvBytes = event.prevKv;
  }

  get prevKv(): Uint8Array {
    return this.prevKvBytes;
  }

  /** Whether prev_kv can be answered: there was no key before, or it is here. */
  get knowsPrevious(): boolean {
    return this.previousRevision === 0 || this.prevKvBytes.length > 0;
  }

  /** Adds what was found out about the key before this event. */
  learnPrevious(kv: Uint8Array): void {
    this.prevKvBytes = kv;
    this.withPrevious = undefined;
  }

  /** About what the event occupies, its wire forms included. */
  get bytes(): number {
    return OVERHEAD_BYTES + 2 * (this.key.length + this.kv.length) + this.prevKvBytes.length;
  }

  encoded(prevKv: boolean): Uint8Array {
    if (prevKv && this.prevKvBytes.length > 0) {
      this.withPrevious ??= encodeEvent(this, this.prevKvBytes);
      return this.withPrevious;
    }
    this.plain ??= encodeEvent(this, undefined);
    return this.plain;
  }
}

function encodeEvent(event: KeyEvent, prevKv: Uint8Array | undefined): Uint8Array {
  const writer: Writer = acquireWriter(); // writes from the last field to the first
  if (prevKv !== undefined) {
    writer.bytes(prevKv);
    writer.uint32(TAG_PREV_KV);
  }
  writer.bytes(event.kv);
  writer.uint32(TAG_KV);
  if (event.isDelete) {
    writer.uint32(1);
    writer.uint32(TAG_TYPE);
  }
  writer.endMessage(0, TAG_EVENTS);
  return writer.finish();
}
