/**
 * Hand-written encoding of the `revisions` field of hexad.EventBatch (proto/hexad/storage.proto), appended event by event to
 * one buffer that is used again for every message: each applied write passes here, so nothing is allocated for it.
 */
export interface EncodableEvent {
  readonly key: Uint8Array;
  readonly isDelete: boolean;
  /** Encoded mvccpb.KeyValue. */
  readonly kv: Uint8Array;
  /** Mod revision of the version before; 0: none. */
  readonly previousRevision: number;
  /** Encoded mvccpb.KeyValue of the version before; empty: unknown or none. */
  readonly prevKv: Uint8Array;
}

const REVISIONS_TAG = 0x12;
const REVISION_TAG = 0x08;
const EVENT_TAG = 0x12;
const KEY_TAG = 0x0a;
const IS_DELETE_TAG = 0x10;
const KV_TAG = 0x1a;
const PREVIOUS_REVISION_TAG = 0x20;
const PREV_KV_TAG = 0x2a;

const FIRST_BYTES = 64 * 1024;
/** A larger buffer is not kept for the next message. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
/** Tags, lengths and numbers around one event, at most; and around one revision. */
const FRAME_BYTES_MAX = 64;
const LOOP_COPY_BYTES = 24;

export class RevisionBuffer {
  private buffer = new Uint8Array(FIRST_BYTES);
  private at = 0;

  get length(): number {
    return this.at;
  }

  append(revision: number, events: readonly EncodableEvent[]): void {
    let size = 1 + varintSize(revision);
    for (const event of events) size += delimited(eventSize(event));
    this.reserve(size + FRAME_BYTES_MAX);
    this.byte(REVISIONS_TAG);
    this.varint(size);
    this.byte(REVISION_TAG);
    this.varint(revision);
    for (const event of events) this.event(event);
  }

  /** The message: its other fields, encoded, and then what was appended. Leaves the buffer empty. */
  take(otherFields: Uint8Array): Uint8Array {
    const message = new Uint8Array(otherFields.length + this.at);
    message.set(otherFields);
    message.set(this.buffer.subarray(0, this.at), otherFields.length);
    this.at = 0;
    if (this.buffer.length > KEPT_BYTES_MAX) this.buffer = new Uint8Array(FIRST_BYTES);
    return message;
  }

  private event(event: EncodableEvent): void {
    const { key, isDelete, kv, previousRevision, prevKv } = event;
    this.byte(EVENT_TAG);
    this.varint(eventSize(event));
    this.bytes(KEY_TAG, key);
    if (isDelete) {
      this.byte(IS_DELETE_TAG);
      this.byte(1);
    }
    this.bytes(KV_TAG, kv);
    if (previousRevision !== 0) {
      this.byte(PREVIOUS_REVISION_TAG);
      this.varint(previousRevision);
    }
    if (prevKv.length > 0) this.bytes(PREV_KV_TAG, prevKv);
  }

  private bytes(tag: number, value: Uint8Array): void {
    this.byte(tag);
    this.varint(value.length);
    const { buffer, at } = this;
    if (value.length > LOOP_COPY_BYTES) buffer.set(value, at);
    else for (let i = 0; i < value.length; i++) buffer[at + i] = value[i] as number;
    this.at = at + value.length;
  }

  private byte(value: number): void {
    this.buffer[this.at++] = value;
  }

  private varint(value: number): void {
    let rest = value;
    // Numbers above 31 bits, which bit operators would cut.
    while (rest > 0x7fffffff) {
      this.buffer[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      this.buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.at++] = rest;
  }

  private reserve(count: number): void {
    const needed = this.at + count;
    if (needed <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    larger.set(this.buffer.subarray(0, this.at));
    this.buffer = larger;
  }
}

function eventSize({ key, isDelete, kv, previousRevision, prevKv }: EncodableEvent): number {
  return (
    delimited(key.length) +
    (isDelete ? 2 : 0) +
    delimited(kv.length) +
    (previousRevision === 0 ? 0 : 1 + varintSize(previousRevision)) +
    (prevKv.length === 0 ? 0 : delimited(prevKv.length))
  );
}

/** Bytes of a length-delimited field with a tag of one byte. */
function delimited(length: number): number {
  return 1 + varintSize(length) + length;
}

function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  let size = 3;
  for (let rest = Math.floor(value / 0x4000); rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}
