/**
 * The rolling hash of everything the log has made of the state: each applied entry extends it by the changes that it made,
 * so it is the same on every member however entries are batched, commits fall or compaction has come. Members compare it
 * at equal indexes.
 *
 * Two lanes of 32 bits, each a polynomial in the digests of the entries: H(n) = H(n−1)·M + digest(n) mod 2³². M is odd, so
 * a difference never vanishes by itself. A digest is a non-linear mix of the checksums of the versions and rows that the
 * entry wrote, with its index and term; those of versions were computed anyway to seal the records.
 */
export const STATE_HASH_VERSION = 1;

/** Entries whose hashes are kept for comparison: more than a second of what a cluster applies. */
const KEPT = 65_536;
const BASE_HIGH = 0x2c1b3c6d;
const BASE_LOW = 0x297a2d39;
const SEED_HIGH = 0x7f4a7c15;
const SEED_LOW = 0x3c6ef372;

/** A value of the hash; lanes are signed 32-bit integers. */
export interface HashValue {
  readonly high: number;
  readonly low: number;
}

/** As it is stored with each commit. */
export interface StoredHash extends HashValue {
  /** The index at which this chain began; only hashes of one origin compare. −1: unknown, it was not kept all the time. */
  readonly origin: number;
}

/** From the first entry on. */
export const EMPTY_HASH: StoredHash = { origin: 0, high: 0, low: 0 };
export const UNKNOWN_HASH: StoredHash = { origin: -1, high: 0, low: 0 };

export class StateHash {
  origin: number;
  private high: number;
  private low: number;
  /** Digest of the entry being applied. */
  private entryHigh = SEED_HIGH;
  private entryLow = SEED_LOW;
  /** Hashes after the entries `first` to `index`, in a ring: lanes in turn. */
  private ring: Int32Array | undefined;
  private first: number;

  constructor(
    stored: StoredHash,
    private index: number,
  ) {
    this.origin = stored.origin;
    this.high = stored.high;
    this.low = stored.low;
    this.first = index + 1;
  }

  get isKnown(): boolean {
    return this.origin >= 0;
  }

  get stored(): StoredHash {
    return { origin: this.origin, high: this.high, low: this.low };
  }

  /** The entry being applied has written something with this checksum. */
  note(checksum: number): void {
    const high = Math.imul(this.entryHigh ^ checksum, 0x85ebca6b);
    this.entryHigh = high ^ (high >>> 15);
    const low = Math.imul(this.entryLow + checksum, 0xc2b2ae35);
    this.entryLow = low ^ (low >>> 13);
  }

  /** The entry has been applied. */
  seal(index: number, term: number): void {
    this.note(index | 0);
    this.note(term | 0);
    this.high = (Math.imul(this.high, BASE_HIGH) + this.entryHigh) | 0;
    this.low = (Math.imul(this.low, BASE_LOW) + this.entryLow) | 0;
    this.entryHigh = SEED_HIGH;
    this.entryLow = SEED_LOW;
    const ring = (this.ring ??= new Int32Array(2 * KEPT));
    if (index !== this.index + 1) this.first = index;
    else if (index - this.first >= KEPT) this.first = index - KEPT + 1;
    this.index = index;
    const at = 2 * (index % KEPT);
    ring[at] = this.high;
    ring[at + 1] = this.low;
  }

  /** The hash after the entry; undefined: not reached, or not kept any more. */
  at(index: number): HashValue | undefined {
    if (index === this.index) return { high: this.high, low: this.low };
    const { ring } = this;
    if (ring === undefined || index < this.first || index > this.index) return undefined;
    const at = 2 * (index % KEPT);
    return { high: ring[at] as number, low: ring[at + 1] as number }; // written when the entry was applied
  }

  /** An unknown hash begins here and now, at zero: what was applied before must not tell two chains of one origin apart. */
  begin(): void {
    if (this.isKnown) return;
    this.origin = this.index;
    this.high = 0;
    this.low = 0;
    this.first = this.index + 1;
  }

  /**
   * Takes another member's chain, whose hash after entry `index` is `value`, in place of the own one; false if that entry's
   * own hash is not kept. Both chains have the same digests since then, so the difference is carried forward.
   */
  adopt(origin: number, index: number, value: HashValue): boolean {
    const own = this.at(index);
    if (own === undefined) return false;
    let high = (value.high - own.high) | 0;
    let low = (value.low - own.low) | 0;
    for (let at = index; ; at++) {
      if (at >= this.first && this.ring !== undefined) this.shift(2 * (at % KEPT), high, low);
      if (at === this.index) break;
      high = Math.imul(high, BASE_HIGH);
      low = Math.imul(low, BASE_LOW);
    }
    this.high = (this.high + high) | 0;
    this.low = (this.low + low) | 0;
    this.first = Math.max(this.first, index);
    this.origin = origin;
    return true;
  }

  private shift(at: number, high: number, low: number): void {
    const ring = this.ring as Int32Array; // the caller has looked
    ring[at] = (ring[at] as number) + high;
    ring[at + 1] = (ring[at + 1] as number) + low;
  }
}

/** 16 hexadecimal digits, as in logs. */
export function hashText({ high, low }: HashValue): string {
  const lane = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
  return lane(high) + lane(low);
}

/** What `hashText` has made a text of. */
export function hashValue(text: string): HashValue {
  return { high: Number.parseInt(text.slice(0, 8), 16) | 0, low: Number.parseInt(text.slice(8), 16) | 0 };
}
