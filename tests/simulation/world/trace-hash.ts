/** A running hash of everything that happens: two runs of a seed are the same when their hashes are. */
export class TraceHash {
  private low = 0x811c9dc5;
  private high = 0x01000193;

  add(value: number): void {
    const word = value | 0;
    this.low = Math.imul(this.low ^ word, 0x01000193);
    this.high = Math.imul(this.high ^ (this.low >>> 13) ^ word, 0x85ebca6b);
  }

  addBytes(bytes: Uint8Array): void {
    this.add(bytes.length);
    // The whole would cost more than the run; ends tell most messages apart.
    for (let i = 0; i < bytes.length && i < 8; i++) this.add(bytes[i] as number);
    for (let i = Math.max(8, bytes.length - 8); i < bytes.length; i++) this.add(bytes[i] as number);
  }

  get text(): string {
    return hex(this.high) + hex(this.low);
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
