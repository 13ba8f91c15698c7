import { compareBytes } from './bytes';
import { type Engine, ENGINE_KEY_BYTES_MAX, type ScanRange, Table } from './engine';

/**
 * What every engine must do, as cases to be run on each. A case gets a fresh disk; `crash` ends the current engine as
 * SIGKILL would and opens what is left.
 */
export interface EngineRig {
  engine: Engine;
  crash(): Promise<void>;
}

export interface ConformanceCase {
  readonly name: string;
  run(rig: EngineRig): Promise<void>;
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`engine conformance: ${what}`);
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

async function commit(engine: Engine, rows: readonly (readonly [Uint8Array, Uint8Array | undefined])[]): Promise<void> {
  const batch = engine.batch();
  for (const [key, value] of rows) {
    if (value === undefined) batch.delete(Table.Latest, key);
    else batch.put(Table.Latest, key, value);
  }
  await batch.commit();
}

function rowsOf(engine: Engine, range: ScanRange, table: Table = Table.Latest): Uint8Array[][] {
  const cursor = engine.scan(table, range);
  const rows: Uint8Array[][] = [];
  while (cursor.next()) rows.push([cursor.key, cursor.value]);
  cursor.close();
  return rows;
}

function keysOf(engine: Engine, range: ScanRange): string {
  return rowsOf(engine, range)
    .map(([key]) => [...(key as Uint8Array)].join('.'))
    .join(' ');
}

const ORDERED = [bytes(0), bytes(0, 0), bytes(0, 1), bytes(1), bytes(1, 255), bytes(2), bytes(255), bytes(255, 255)];

export const ENGINE_CONFORMANCE: readonly ConformanceCase[] = [
  {
    name: 'a committed row is found, a missing one is not',
    async run({ engine }) {
      await commit(engine, [[text('a'), text('1')]]);
      check(compareBytes(engine.get(Table.Latest, text('a')) ?? bytes(), text('1')) === 0, 'a is 1');
      check(engine.get(Table.Latest, text('b')) === undefined, 'b is absent');
      check(engine.get(Table.History, text('a')) === undefined, 'tables are separate');
    },
  },
  {
    name: 'rows come in byte order, from both sides, with an inclusive start and an exclusive end',
    async run({ engine }) {
      await commit(
        engine,
        [...ORDERED].reverse().map((key) => [key, key]),
      );
      const all = ORDERED.map((key) => key.join('.'));
      check(keysOf(engine, {}) === all.join(' '), 'everything forwards');
      check(keysOf(engine, { reverse: true }) === [...all].reverse().join(' '), 'everything backwards');
      for (let from = 0; from < ORDERED.length; from++) {
        for (let to = 0; to < ORDERED.length; to++) {
          const range = { start: ORDERED[from], end: ORDERED[to] };
          const expected = all.slice(from, Math.max(from, to));
          check(keysOf(engine, range) === expected.join(' '), `rows ${from} to ${to}`);
          check(
            keysOf(engine, { ...range, reverse: true }) === expected.reverse().join(' '),
            `rows ${to} down to ${from}`,
          );
        }
      }
      check(keysOf(engine, { start: bytes(1, 0), end: bytes(1, 254) }) === '', 'bounds between rows');
      check(
        keysOf(engine, { start: bytes(1, 0), end: bytes(3), reverse: true }) === '2 1.255',
        'bounds between rows, backwards',
      );
      check(keysOf(engine, { end: bytes(0, 1), reverse: true }) === '0.0 0', 'only an end, backwards');
      check(keysOf(engine, { start: bytes(255), reverse: true }) === '255.255 255', 'only a start, backwards');
    },
  },
  {
    name: 'a cursor that is closed early leaves others alone, and its rows stay valid',
    async run({ engine }) {
      await commit(
        engine,
        ORDERED.map((key) => [key, key]),
      );
      const first = engine.scan(Table.Latest, {});
      first.next();
      const { key, value } = first;
      const second = engine.scan(Table.Latest, { reverse: true });
      second.next();
      first.next();
      check(second.key.join('.') === '255.255' && first.key.join('.') === '0.0', 'two cursors at once');
      first.close();
      second.next();
      check(second.key.join('.') === '255', 'the other goes on');
      second.close();
      check(key.join('.') === '0' && value.join('.') === '0', 'copies');
    },
  },
  {
    name: 'within a batch the last write of a key counts, and deleting a missing row is no error',
    async run({ engine }) {
      await commit(engine, [
        [text('gone'), text('1')],
        [text('kept'), text('1')],
      ]);
      await commit(engine, [
        [text('never'), undefined],
        [text('gone'), text('2')],
        [text('gone'), undefined],
        [text('kept'), undefined],
        [text('kept'), text('2')],
      ]);
      check(engine.get(Table.Latest, text('gone')) === undefined, 'put then deleted');
      check(compareBytes(engine.get(Table.Latest, text('kept')) ?? bytes(), text('2')) === 0, 'deleted then put');
    },
  },
  {
    name: 'the longest key and values of no, one and many bytes are stored',
    async run({ engine }) {
      const longest = new Uint8Array(ENGINE_KEY_BYTES_MAX).fill(7);
      const sizes = [0, 1, 4000, 40_000, 3_000_000];
      const batch = engine.batch();
      for (const [i, size] of sizes.entries()) batch.put(Table.History, bytes(i + 1), new Uint8Array(size).fill(i + 1));
      batch.put(Table.History, longest, longest);
      await batch.commit();
      for (const [i, size] of sizes.entries()) {
        const value = engine.get(Table.History, bytes(i + 1));
        check(value?.length === size && value.every((byte) => byte === i + 1), `a value of ${size} bytes`);
      }
      check(engine.get(Table.History, longest)?.length === longest.length, 'the longest key');
      check(
        rowsOf(engine, {}, Table.History).every(([, value], i) => value?.length === (sizes[i] ?? longest.length)),
        'scanned too',
      );
    },
  },
  {
    name: 'what was committed before a crash is there after it',
    async run(rig) {
      for (let i = 0; i < 5; i++) await commit(rig.engine, [[bytes(i + 1), bytes(i)]]);
      await rig.crash();
      check(keysOf(rig.engine, {}) === '1 2 3 4 5', 'all five commits');
      await commit(rig.engine, [[bytes(6), bytes(6)]]);
      await rig.crash();
      check(keysOf(rig.engine, {}) === '1 2 3 4 5 6', 'and a sixth after the crash');
    },
  },
  {
    name: 'a commit that a crash interrupts is there as a whole or not at all',
    async run(rig) {
      await commit(rig.engine, [[bytes(1), bytes(1)]]);
      const batch = rig.engine.batch();
      for (let i = 0; i < 200; i++) batch.put(Table.Latest, bytes(2, i), new Uint8Array(1000));
      for (let i = 0; i < 200; i++) batch.put(Table.History, bytes(2, i), new Uint8Array(1000));
      void batch.commit().catch(() => undefined);
      await rig.crash();
      const found = [
        rowsOf(rig.engine, { start: bytes(2) }).length,
        rowsOf(rig.engine, { start: bytes(2) }, Table.History).length,
      ];
      check(found.join() === '0,0' || found.join() === '200,200', `all or nothing, not ${found.join()}`);
      check(rig.engine.get(Table.Latest, bytes(1)) !== undefined, 'the earlier commit stays');
    },
  },
];
