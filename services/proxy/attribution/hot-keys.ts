import { Reader, WireError } from '../../../libs/wire';
import type { TimedRequest } from './timed-request';

const ENTRIES_MAX = 256;
const PREFIX_BYTES_MAX = 64;
const SLASH = 0x2f;

export interface HotEntry {
  readonly name: string;
  readonly count: number;
}

/** Requests whose first field is a key. */
const KEYED: ReadonlySet<string> = new Set(['range', 'put', 'delete_range', 'range_stream']);

/**
 * Which prefixes and which clients ask most, from samples, in bounded memory: the rarest entry makes room for a new one
 * and hands its count on (space-saving, Metwally et al. 2005). Counts halve with time, so that "hot" means now.
 */
export class HotKeys {
  private readonly prefixes = new Map<string, number>();
  private readonly clients = new Map<string, number>();
  /** Largest value seen in a put, and its prefix. */
  largestBytes = 0;
  largestPrefix = '';

  /** `weight`: for how many requests this one stands. */
  sample(request: TimedRequest, weight: number): void {
    add(this.clients, request.call.connection.remoteAddress, weight);
    if (!KEYED.has(request.stats.ops.op)) return;
    const prefix = prefixOf(request.body);
    if (prefix !== undefined) add(this.prefixes, prefix, weight);
  }

  /** A large request is always looked at. */
  noteSize(request: TimedRequest): void {
    if (request.body.length <= this.largestBytes) return;
    this.largestBytes = request.body.length;
    this.largestPrefix = KEYED.has(request.stats.ops.op) ? (prefixOf(request.body) ?? '') : '';
  }

  /** Counts fade: called every few seconds. */
  fade(): void {
    for (const counts of [this.prefixes, this.clients]) {
      for (const [name, count] of counts) {
        if (count < 2) counts.delete(name);
        else counts.set(name, count / 2);
      }
    }
  }

  hotPrefixes(count: number): HotEntry[] {
    return hottest(this.prefixes, count);
  }

  hotClients(count: number): HotEntry[] {
    return hottest(this.clients, count);
  }
}

function add(counts: Map<string, number>, name: string, weight: number): void {
  const before = counts.get(name);
  if (before !== undefined || counts.size < ENTRIES_MAX) {
    counts.set(name, (before ?? 0) + weight);
    return;
  }
  let rarest = '';
  let least = Number.POSITIVE_INFINITY;
  for (const [other, count] of counts) {
    if (count >= least) continue;
    least = count;
    rarest = other;
  }
  counts.delete(rarest);
  counts.set(name, least + weight);
}

function hottest(counts: ReadonlyMap<string, number>, count: number): HotEntry[] {
  return [...counts]
    .map(([name, value]) => ({ name, count: Math.round(value) }))
    .sort((a, b) => b.count - a.count)
    .slice(0, count);
}

/** The key up to its last slash, or whole when it has none; at most so long. Undefined: no key. */
export function prefixOf(body: Uint8Array): string | undefined {
  try {
    const reader = new Reader(body);
    if (reader.pos >= reader.end || reader.tag() !== 0x0a) return undefined;
    const key = reader.bytes();
    const slash = key.lastIndexOf(SLASH);
    const end = slash >= 0 ? slash + 1 : key.length;
    return printable(key.subarray(0, Math.min(end, PREFIX_BYTES_MAX)));
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}
