import type { LogEntry, Message } from '../../../libs/raft';
import { sizeLogEntry, sizeVarint, writeLogEntry, writeVarint } from '../../../libs/wal-format';
import { encodePeerBatch, encodeRaftMessage, type PeerBatchInput } from '../../../proto/gen/hexad';

const TAG_BATCH_MESSAGES = 0x12;
const TAG_MESSAGE_ENTRIES = 0x42;
const NO_BYTES = new Uint8Array(0);
/** Fewer entries are not worth keeping: the next follower's append is encoded as quickly. */
const ENTRIES_WORTH_KEEPING = 2;

/**
 * Encodes what leaves for the peers. The entries of an append are encoded once and their bytes kept, because the next
 * message is usually the same append to another follower.
 */
export class PeerEncoder {
  private entries: readonly LogEntry[] = [];
  private bytes: Uint8Array = NO_BYTES;

  /** A PeerBatch; protobuf takes a repeated field's elements in parts, so messages and the rest are simply joined. */
  encode(messages: readonly Message[], rest: PeerBatchInput | undefined): Uint8Array {
    const tail = rest === undefined ? undefined : encodePeerBatch(rest);
    const heads = messages.map((message) => encodeRaftMessage({ ...message, entries: [] }));
    const bodies = messages.map((message) => this.encodedEntries(message.entries));
    let size = tail?.length ?? 0;
    heads.forEach((head, i) => {
      const length = head.length + (bodies[i] as Uint8Array).length;
      size += 1 + sizeVarint(length) + length;
    });
    const target = new Uint8Array(size);
    let at = 0;
    heads.forEach((head, i) => {
      const body = bodies[i] as Uint8Array; // one for each head
      target[at] = TAG_BATCH_MESSAGES;
      at = writeVarint(target, at + 1, head.length + body.length);
      target.set(head, at);
      target.set(body, at + head.length);
      at += head.length + body.length;
    });
    if (tail !== undefined) target.set(tail, at);
    return target;
  }

  private encodedEntries(entries: readonly LogEntry[]): Uint8Array {
    if (entries.length === 0) return NO_BYTES;
    if (this.isKept(entries)) return this.bytes;
    const bytes = encodeEntries(entries);
    if (entries.length >= ENTRIES_WORTH_KEEPING) {
      this.entries = entries;
      this.bytes = bytes;
    }
    return bytes;
  }

  /** Entries never change, and a log has one entry of a term at an index: the ends tell that all are the same. */
  private isKept(entries: readonly LogEntry[]): boolean {
    const kept = this.entries;
    const length = entries.length;
    if (kept.length !== length) return false;
    return same(kept[0], entries[0]) && same(kept[length - 1], entries[length - 1]);
  }
}

function same(a: LogEntry | undefined, b: LogEntry | undefined): boolean {
  return a !== undefined && b !== undefined && a.index === b.index && a.term === b.term;
}

function encodeEntries(entries: readonly LogEntry[]): Uint8Array {
  let size = 0;
  for (const entry of entries) {
    const length = sizeLogEntry(entry);
    size += 1 + sizeVarint(length) + length;
  }
  const target = new Uint8Array(size);
  let at = 0;
  for (const entry of entries) {
    target[at] = TAG_MESSAGE_ENTRIES;
    at = writeLogEntry(target, writeVarint(target, at + 1, sizeLogEntry(entry)), entry);
  }
  return target;
}
