/** What is encoded of one change; a `Change` of the store is one. */
export interface EncodableChange {
  readonly version: {
    readonly key: Uint8Array;
    readonly isDelete: boolean;
    /** Encoded mvccpb.KeyValue. */
    readonly kv: Uint8Array;
    /** Mod revision of the key's version before; 0: none. */
    readonly previousRevision: number;
  };
  readonly previous: { readonly kv: Uint8Array; readonly modRevision: number } | undefined;
}

export interface RevisionBufferOptions {
  /** A change without `previous` created its key; else nobody looked, and only the previous revision is told. */
  readonly previousKnown: boolean;
  /** A previous value larger than this is left out. */
  readonly previousBytesMax: number;
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

/**
 * Hand-written encoding of the `revisions` field of hexad.EventBatch (proto/hexad/storage.proto), appended event by event to
 * one buffer that is used again for every message: each applied write passes here, so no object is made for it, and the
 * stored bytes of a key-value are copied as they are.
 */
export class RevisionBuffer {
  private buffer = new Uint8Array(FIRST_BYTES);
  private at = 0;
  /** Sizes of the events of the revision being appended. */
  private readonly sizes: number[] = [];

  constructor(private readonly options: RevisionBufferOptions) {}

  get length(): number {
    return this.at;
  }

  append(revision: number, changes: readonly EncodableChange[]): void {
    const { sizes } = this;
    let size = 1 + varintSize(revision);
    for (let i = 0; i < changes.length; i++) {
      const eventBytes = this.eventSize(changes[i] as EncodableChange);
      sizes[i] = eventBytes;
      size += delimited(eventBytes);
    }
    this.reserve(size + FRAME_BYTES_MAX);
    this.byte(REVISIONS_TAG);
    this.varint(size);
    this.byte(REVISION_TAG);
    this.varint(revision);
    for (let i = 0; i < changes.length; i++) {
      this.byte(EVENT_TAG);
      this.varint(sizes[i] as number);
      this.event(changes[i] as EncodableChange);
    }
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

  private event({ version, previous }: EncodableChange): void {
    this.bytes(KEY_TAG, version.key);
    if (version.isDelete) {
      this.byte(IS_DELETE_TAG);
      this.byte(1);
    }
    this.bytes(KV_TAG, version.kv);
    const previousRevision = this.previousRevision(version, previous);
    if (previousRevision !== 0) {
      this.byte(PREVIOUS_REVISION_TAG);
      this.varint(previousRevision);
    }
    if (previous === undefined) return;
    const { kv } = previous;
    if (kv.length <= this.options.previousBytesMax) this.bytes(PREV_KV_TAG, kv);
  }

  private eventSize({ version, previous }: EncodableChange): number {
    const previousRevision = this.previousRevision(version, previous);
    const previousBytes = previous === undefined ? 0 : previous.kv.length;
    return (
      delimited(version.key.length) +
      (version.isDelete ? 2 : 0) +
      delimited(version.kv.length) +
      (previousRevision === 0 ? 0 : 1 + varintSize(previousRevision)) +
      (previous === undefined || previousBytes > this.options.previousBytesMax ? 0 : delimited(previousBytes))
    );
  }

  private previousRevision(version: EncodableChange['version'], previous: EncodableChange['previous']): number {
    if (previous !== undefined) return previous.modRevision;
    return this.options.previousKnown ? 0 : version.previousRevision;
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
