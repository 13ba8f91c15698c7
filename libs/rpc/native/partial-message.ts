import { messagePrefixBytes } from './constants';

const firstBodyBytes = 16 * 1024;

/** A gRPC message that spans frames. Memory grows with what has arrived, not with what the prefix announces. */
export class PartialMessage {
  /** Flag octet; valid once the prefix is complete. */
  flag = 0;
  /** Announced length; −1 while the prefix is incomplete. */
  length = -1;
  #prefixFilled = 0;
  #body: Buffer = Buffer.alloc(0);
  #filled = 0;

  /** Memory held. */
  get heldBytes(): number {
    return this.#body.length;
  }

  get complete(): boolean {
    return this.#filled === this.length;
  }

  /** The whole message; belongs to the caller. */
  get message(): Buffer {
    return this.#body.subarray(0, this.#filled);
  }

  /** Takes octets of the prefix; returns the position after them. */
  readPrefix(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.#prefixFilled < messagePrefixBytes) {
      const octet = bytes[at++] as number;
      if (this.#prefixFilled === 0) this.flag = octet;
      else this.#filled = this.#filled * 256 + octet;
      this.#prefixFilled++;
    }
    if (this.#prefixFilled === messagePrefixBytes && this.length < 0) {
      this.length = this.#filled;
      this.#filled = 0;
    }
    return at;
  }

  /** Takes octets of the message; returns the position after them. */
  readBody(bytes: Uint8Array, start: number, end: number): number {
    const next = Math.min(end, start + this.length - this.#filled);
    this.#grow(this.#filled + next - start);
    this.#body.set(bytes.subarray(start, next), this.#filled);
    this.#filled += next - start;
    return next;
  }

  #grow(needed: number): void {
    if (needed <= this.#body.length) return;
    const size = Math.min(this.length, Math.max(needed, this.#body.length * 2, firstBodyBytes));
    const larger = Buffer.allocUnsafeSlow(size);
    this.#body.copy(larger, 0, 0, this.#filled);
    this.#body = larger;
  }
}
