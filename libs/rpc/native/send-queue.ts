import { messagePrefixBytes } from './constants';

/** Messages of one stream that wait for windows or for the socket. Bounded by whoever sends. */
export class SendQueue {
  /** Octets that are still to be sent, prefixes included. */
  bytes = 0;
  #messages: Uint8Array[] = [];
  #head = 0;
  /** Octets of the first message that have been sent, its prefix included. */
  #offset = 0;

  push(message: Uint8Array): void {
    this.#messages.push(message);
    this.bytes += message.length + messagePrefixBytes;
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
    return this.first.length + messagePrefixBytes - this.#offset;
  }

  /** `count` octets of the first message were sent. */
  advance(count: number): void {
    this.bytes -= count;
    this.#offset += count;
    if (this.#offset < this.first.length + messagePrefixBytes) return;
    this.#offset = 0;
    this.#messages[this.#head++] = undefined as unknown as Uint8Array;
    if (this.#head < 64 && this.#head < this.#messages.length) return;
    this.#messages.splice(0, this.#head);
    this.#head = 0;
  }

  clear(): void {
    this.bytes = 0;
    this.#messages = [];
    this.#head = 0;
    this.#offset = 0;
  }
}
