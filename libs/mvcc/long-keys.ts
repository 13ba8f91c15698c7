import { concatBytes, equalBytes, NO_BYTES, readUint64, writeUint64 } from './bytes';
import { type Batch, type Cursor, type Engine, type ScanRange, Table } from './engine';
import { assert } from './environment';

/**
 * Keys of any length in a table whose engine takes only short ones, in byte order among each other.
 *
 * A key of up to CHUNK bytes is its own row. A longer one is found through a *marker*, the row (first CHUNK bytes + 0x00),
 * which sorts right after the row of exactly those bytes and before all that is greater; its value is a node id, under
 * which the rest of the key is a row of the Long table (node id + rest), itself with a marker if the rest is still long.
 * No other row is CHUNK + 1 bytes long, so a marker is known by its length.
 */
const CHUNK = 1900;
const NODE_BYTES = 8;
const ROOT = 0;

export class LongKeyTable {
  /** Nodes of markers that the batch being built writes, by physical marker key. */
  private readonly fresh = new Map<string, number>();
  private readonly deleted = new Set<string>();

  constructor(
    private readonly engine: Engine,
    private readonly latin1: (bytes: Uint8Array) => string,
    /** The next node id that has never been used; persisted by the owner. */
    public nextNode: number,
  ) {}

  /** Forgets what the last batch wrote: it is visible in the engine now. */
  beginBatch(): void {
    this.fresh.clear();
    this.deleted.clear();
  }

  get(key: Uint8Array): Uint8Array | undefined {
    let node = ROOT;
    let rest = key;
    while (rest.length > CHUNK) {
      const marker = this.engine.get(tableOf(node), markerKey(node, rest));
      if (marker === undefined) return undefined;
      node = readUint64(marker, 0);
      rest = rest.subarray(CHUNK);
    }
    return this.engine.get(tableOf(node), rowKey(node, rest));
  }

  put(batch: Batch, key: Uint8Array, value: Uint8Array): void {
    let node = ROOT;
    let rest = key;
    while (rest.length > CHUNK) {
      const marker = markerKey(node, rest);
      const child = this.childOf(node, marker) ?? this.nextNode++;
      this.fresh.set(this.latin1(marker), child);
      // Written again even if it exists: a delete earlier in this batch may have taken it away.
      batch.put(tableOf(node), marker, nodeValue(child));
      node = child;
      rest = rest.subarray(CHUNK);
    }
    batch.put(tableOf(node), rowKey(node, rest), value);
  }

  /** Deletes a row and the markers that lead to nothing then. All deletes of a batch come before its puts. */
  delete(batch: Batch, key: Uint8Array): void {
    assert(this.fresh.size === 0, 'deletes come before puts');
    const path: { node: number; marker: Uint8Array }[] = [];
    let node = ROOT;
    let rest = key;
    while (rest.length > CHUNK) {
      const marker = markerKey(node, rest);
      path.push({ node, marker });
      const child = this.childOf(node, marker);
      if (child === undefined) return;
      node = child;
      rest = rest.subarray(CHUNK);
    }
    this.deleteRow(batch, node, rowKey(node, rest));
    for (const { node: parent, marker } of path.reverse()) {
      if (!this.isEmpty(node)) return;
      this.deleteRow(batch, parent, marker);
      node = parent;
    }
  }

  scan(range: ScanRange): LongKeyCursor {
    return new LongKeyCursor(this.engine, range);
  }

  private childOf(node: number, marker: Uint8Array): number | undefined {
    const fresh = this.fresh.get(this.latin1(marker));
    if (fresh !== undefined) return fresh;
    const value = this.engine.get(tableOf(node), marker);
    return value === undefined ? undefined : readUint64(value, 0);
  }

  private deleteRow(batch: Batch, node: number, physical: Uint8Array): void {
    batch.delete(tableOf(node), physical);
    if (node !== ROOT) this.deleted.add(this.latin1(physical));
  }

  private isEmpty(node: number): boolean {
    const rows = this.engine.scan(Table.Long, nodeRange(node));
    try {
      while (rows.next()) if (!this.deleted.has(this.latin1(rows.key))) return false;
      return true;
    } finally {
      rows.close();
    }
  }
}

/** Whether a row of the tables Latest and Long leads to another node instead of holding a record. */
export function isMarker(table: Table, physical: Uint8Array): boolean {
  return physical.length === CHUNK + 1 + (table === Table.Long ? NODE_BYTES : 0);
}

/** The part of the user's key that a row's key has. */
export function restOf(table: Table, physical: Uint8Array): Uint8Array {
  return table === Table.Long ? physical.subarray(NODE_BYTES) : physical;
}

function tableOf(node: number): Table {
  return node === ROOT ? Table.Latest : Table.Long;
}

function nodeValue(node: number): Uint8Array {
  const value = new Uint8Array(NODE_BYTES);
  writeUint64(value, 0, node);
  return value;
}

function rowKey(node: number, rest: Uint8Array): Uint8Array {
  return node === ROOT ? rest : concatBytes(nodeValue(node), rest);
}

const ONE_ZERO = new Uint8Array(1);
const TWO_ZEROS = new Uint8Array(2);

function markerKey(node: number, rest: Uint8Array): Uint8Array {
  return rowKey(node, concatBytes(rest.subarray(0, CHUNK), ONE_ZERO));
}

function nodeRange(node: number): ScanRange {
  return { start: nodeValue(node), end: nodeValue(node + 1) };
}

interface Level {
  readonly node: number;
  /** Bytes of the key above this node. */
  readonly prefix: Uint8Array;
  readonly start: Uint8Array | undefined;
  readonly end: Uint8Array | undefined;
  readonly rows: Cursor;
}

/** Rows of a LongKeyTable in key order. Same rules as Cursor. */
export class LongKeyCursor implements Cursor {
  key: Uint8Array = NO_BYTES;
  value: Uint8Array = NO_BYTES;
  private readonly levels: Level[] = [];
  private readonly reverse: boolean;

  constructor(
    private readonly engine: Engine,
    range: ScanRange,
  ) {
    this.reverse = range.reverse ?? false;
    this.descend(ROOT, NO_BYTES, range.start, range.end);
  }

  next(): boolean {
    for (;;) {
      const level = this.levels.at(-1);
      if (level === undefined) return false;
      if (!level.rows.next()) {
        this.levels.pop();
        continue;
      }
      const physical = level.rows.key;
      const rest = level.node === ROOT ? physical : physical.subarray(NODE_BYTES);
      if (rest.length <= CHUNK) {
        this.key = level.node === ROOT ? rest : concatBytes(level.prefix, rest);
        this.value = level.rows.value;
        return true;
      }
      const chunk = rest.subarray(0, CHUNK);
      const child = readUint64(level.rows.value, 0);
      this.descend(child, concatBytes(level.prefix, chunk), below(level.start, chunk), below(level.end, chunk));
    }
  }

  close(): void {
    for (const level of this.levels) level.rows.close();
    this.levels.length = 0;
  }

  private descend(node: number, prefix: Uint8Array, start: Uint8Array | undefined, end: Uint8Array | undefined): void {
    const whole = node === ROOT ? {} : nodeRange(node);
    const rows = this.engine.scan(tableOf(node), {
      start:
        start === undefined
          ? whole.start
          : rowKey(node, start.length > CHUNK ? concatBytes(start.subarray(0, CHUNK), ONE_ZERO) : start),
      end:
        end === undefined
          ? whole.end
          : rowKey(node, end.length > CHUNK ? concatBytes(end.subarray(0, CHUNK), TWO_ZEROS) : end),
      reverse: this.reverse,
    });
    this.levels.push({ node, prefix, start, end, rows });
  }
}

/** What a bound means inside the node behind `chunk`: its rest if it goes through there, else no bound. */
function below(bound: Uint8Array | undefined, chunk: Uint8Array): Uint8Array | undefined {
  if (bound === undefined || bound.length <= CHUNK || !equalBytes(bound.subarray(0, CHUNK), chunk)) return undefined;
  return bound.subarray(CHUNK);
}
