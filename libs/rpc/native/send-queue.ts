import { messagePrefixBytes } from './constants';

const NO_PREFIX = -1;

/** Messages of one stream that wait for windows or for the socket. Bounded by whoever sends. */
export class SendQueue {
  /** Octets that are still to be sent, prefixes included. */
  bytes = 0;
  #messages: Uint8Array[] = [];
  /** Of the messages that are parts of a larger one: its length for the first part, NO_PREFIX for the others. */
  #parts: Map<Uint8Array, number> | undefined = undefined;
  #head = 0;
  /** Octets of the first message that have been sent, its prefix included. */
  #offset = 0;

  push(message: Uint8Array): void {
    this.#messages.push(message);
    this.bytes += message.length + messagePrefixBytes;
  }

  /** A part of a message of `total` bytes; the prefix goes with the first one. A part is another array each time. */
  pushPart(part: Uint8Array, total: number, isFirst: boolean): void {
    this.#parts ??= new Map();
    this.#parts.set(part, isFirst ? total : NO_PREFIX);
    this.#messages.push(part);
    this.bytes += part.length + (isFirst ? messagePrefixBytes : 0);
  }

  /** Octets of the prefix of the first message. */
  get prefixBytes(): number {
    return this.#parts?.get(this.first) === NO_PREFIX ? 0 : messagePrefixBytes;
  }

  /** What the prefix of the first message says. */
  get length(): number {
    return this.#parts?.get(this.first) ?? this.first.length;
  }

  /** The first message; only when `bytes` is above 0. */
  get first(): Uint8Array {
    return this.#messages[this.#head] as Uint8Array;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Octets left of the first message. */
  get firstLeft(): number {
    return this.first.length + this.prefixBytes - this.#offset;
  }

  /** `count` octets of the first message were sent. */
  advance(count: number): void {
    this.bytes -= count;
    this.#offset += count;
    if (this.#offset < this.first.length + this.prefixBytes) return;
    this.#parts?.delete(this.first);
    this.#offset = 0;
    this.#messages[this.#head++] = undefined as unknown as Uint8Array;
    if (this.#head < 64 && this.#head < this.#messages.length) return;
    this.#messages.splice(0, this.#head);
    this.#head = 0;
  }

  clear(): void {
    this.bytes = 0;
    this.#messages = [];
    this.#parts = undefined;
    this.#head = 0;
    this.#offset = 0;
  }
}
