import fc from 'fast-check';
import {
  type BoltBucket,
  BoltError,
  BoltFile,
  type BoltRow,
  type ByteSource,
  planBoltFile,
  writeBoltFile,
} from './index';

const encoder = new TextEncoder();
const text = (value: string): Uint8Array => encoder.encode(value);

function bytesSource(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function write(buckets: readonly BoltBucket[]): Uint8Array {
  const planning = planBoltFile(buckets);
  let step = planning.next();
  while (!step.done) step = planning.next();
  const file = join([...writeBoltFile(buckets, step.value)]);
  expect(file.length).toBe(step.value.bytes);
  return file;
}

function bucket(name: string, rows: readonly BoltRow[]): BoltBucket {
  return { name: text(name), rows: () => rows };
}

type Contents = Array<[bucket: string, rows: Array<[string, string]>]>;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function read(file: Uint8Array): Contents {
  const contents: Contents = [];
  for (const { bucket: name, row } of BoltFile.open(bytesSource(file)).check()) {
    if (row === undefined) contents.push([hex(name), []]);
    else contents.at(-1)?.[1].push([hex(row.key), hex(row.value)]);
  }
  return contents;
}

/** Reads all, and says how it ended. Anything but a BoltError is thrown on. */
function outcome(file: Uint8Array): string {
  try {
    read(file);
    return 'sound';
  } catch (error) {
    if (error instanceof BoltError) return error.kind;
    throw error;
  }
}

function many(count: number, valueBytes: number): BoltRow[] {
  return Array.from({ length: count }, (_, i) => [
    text(`key-${String(i).padStart(8, '0')}`),
    new Uint8Array(valueBytes).fill(i),
  ]);
}

const keyBytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
const valueBytes = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 20_000 }).map((length) => new Uint8Array(length).fill(7)) },
);
const rowsOf = fc
  .uniqueArray(fc.tuple(keyBytes, valueBytes), { selector: ([key]) => hex(key), maxLength: 300 })
  .map((rows) => rows.sort(([a], [b]) => Buffer.compare(a, b)));
const bucketsOf = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z]{1,12}$/), rowsOf), { selector: ([name]) => name, maxLength: 8 })
  .map((buckets) => buckets.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, rows]) => bucket(name, rows)));

describe('a written database', () => {
  test('reads back as it was, whatever the buckets, keys and values', () => {
    fc.assert(
      fc.property(bucketsOf, (buckets) => {
        const expected = buckets.map((source) => [
          hex(source.name),
          [...source.rows()].map(([key, value]) => [hex(key), hex(value)]),
        ]);
        expect(read(write(buckets))).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  test('has branches on several levels when it has many rows', () => {
    const rows = many(60_000, 10);
    const file = write([bucket('key', rows)]);
    const found = [...BoltFile.open(bytesSource(file)).rows(text('key'))];
    expect(found.map(({ key }) => hex(key))).toEqual(rows.map(([key]) => hex(key)));
    expect([...BoltFile.open(bytesSource(file)).rows(text('absent'))]).toEqual([]);
  });

  test('narrows down to a root even when every key is longer than a page', () => {
    const rows = Array.from({ length: 40 }, (_, i): BoltRow => [new Uint8Array(30_000).fill(i + 1), text('v')]);
    expect(read(write([bucket('long', rows)]))[0]?.[1]).toHaveLength(40);
  });

  test('keeps small buckets in their parent: five empty ones take one page beside the three at the start', () => {
    const names = ['alarm', 'auth', 'key', 'lease', 'meta'];
    expect(write(names.map((name) => bucket(name, []))).length).toBe(4 * 4096);
  });

  test('is written with one page per level in memory, in runs that come as rows are taken', () => {
    let taken = 0;
    const rows = many(5_000, 300);
    const counted: BoltBucket = {
      name: text('key'),
      *rows() {
        for (const row of rows) {
          taken++;
          yield row;
        }
      },
    };
    const planning = planBoltFile([counted]);
    let step = planning.next();
    while (!step.done) step = planning.next();
    taken = 0;
    let bytes = 0;
    for (const run of writeBoltFile([counted], step.value)) {
      bytes += run.length;
      // What was taken and has not come out yet: an open page at each level and the rows between two yields.
      expect(taken * 300).toBeLessThan(bytes + 4 * 4096 + 16 * 320);
    }
  });

  test('is refused when rows do not ascend, are empty or differ between the passes', () => {
    const kind = (rows: readonly BoltRow[]): string => {
      try {
        write([bucket('key', rows)]);
        return 'written';
      } catch (error) {
        return error instanceof BoltError ? error.kind : String(error);
      }
    };
    expect(
      kind([
        [text('b'), text('')],
        [text('a'), text('')],
      ]),
    ).toBe('unsorted-keys');
    expect(
      kind([
        [text('a'), text('')],
        [text('a'), text('')],
      ]),
    ).toBe('unsorted-keys');
    expect(kind([[text(''), text('')]])).toBe('too-large');
    expect(kind([[new Uint8Array(32_769), text('')]])).toBe('too-large');
    let pass = 0;
    const changing: BoltBucket = { name: text('key'), rows: () => many(pass++ * 500, 50) };
    expect(() => write([changing])).toThrow('the second pass gave');
  });
});

describe('a damaged database', () => {
  const file = write([
    bucket('alarm', []),
    bucket('key', [...many(2_000, 40), [text('large'), new Uint8Array(10_000).fill(1)]]),
    bucket('meta', [[text('term'), text('12345678')]]),
  ]);
  const changed = (change: (copy: Uint8Array, view: DataView) => void, base = file): Uint8Array => {
    const copy = base.slice();
    change(copy, new DataView(copy.buffer));
    return copy;
  };
  const bothMetas = (change: (view: DataView, at: number) => void): Uint8Array =>
    changed((_, view) => {
      for (const at of [0, 4096]) change(view, at);
    });
  /** Ids of pages by kind, found by their headers. */
  const pagesWith = (flags: number): number[] =>
    Array.from({ length: file.length / 4096 }, (_, id) => id).filter(
      (id) => file[id * 4096 + 8] === flags && new DataView(file.buffer).getBigUint64(id * 4096, true) === BigInt(id),
    );
  const [branch = 0] = pagesWith(1);
  const [leaf = 0, otherLeaf = 0] = pagesWith(2);

  test('without damage it is sound', () => {
    expect(outcome(file)).toBe('sound');
  });

  test('is read by its other meta page when one is torn', () => {
    expect(outcome(changed((copy) => copy.fill(0, 0, 4096)))).toBe('sound');
    expect(outcome(changed((copy) => copy.fill(0, 4096, 8192)))).toBe('sound');
  });

  test.each<[string, string, Uint8Array]>([
    ['no bytes', 'truncated', new Uint8Array(0)],
    ['text instead of a database', 'not-a-database', text('hello '.repeat(2_000))],
    ['wrong magic', 'not-a-database', bothMetas((view, at) => view.setUint32(at + 16, 1, true))],
    ['another version', 'bad-version', bothMetas((view, at) => view.setUint32(at + 20, 3, true))],
    ['a changed meta', 'bad-checksum', bothMetas((view, at) => view.setUint32(at + 60, 9, true))],
    ['a missing last page', 'truncated', file.slice(0, file.length - 4096)],
    ['half a file', 'truncated', file.slice(0, file.length / 2)],
    ['a page that is another', 'bad-page', changed((_, view) => view.setBigUint64(leaf * 4096, 77n, true))],
    ['a page of another kind', 'bad-page', changed((_, view) => view.setUint16(leaf * 4096 + 8, 0x10, true))],
    [
      'a page that never ends',
      'page-out-of-range',
      changed((_, view) => view.setUint32(leaf * 4096 + 12, 0xffffffff, true)),
    ],
    ['more elements than fit', 'bad-page', changed((_, view) => view.setUint16(leaf * 4096 + 10, 65_535, true))],
    ['a key beyond the page', 'bad-page', changed((_, view) => view.setUint32(leaf * 4096 + 20, 0xffff, true))],
    ['a key in the element table', 'bad-page', changed((_, view) => view.setUint32(leaf * 4096 + 20, 4, true))],
    ['an empty key', 'bad-page', changed((_, view) => view.setUint32(leaf * 4096 + 24, 0, true))],
    ['a value of 4 GB', 'too-large', changed((_, view) => view.setUint32(leaf * 4096 + 28, 0xffffffff, true))],
    [
      'a child that does not exist',
      'page-out-of-range',
      changed((_, view) => view.setBigUint64(branch * 4096 + 24, 1n << 60n, true)),
    ],
    [
      'a child that is its parent',
      'page-used-twice',
      changed((_, view) => view.setBigUint64(branch * 4096 + 24, BigInt(branch), true)),
    ],
    [
      'a child of two parents',
      'page-used-twice',
      changed((_, view) => view.setBigUint64(branch * 4096 + 40, BigInt(leaf), true)),
    ],
    [
      'a meta page as child',
      'page-out-of-range',
      changed((_, view) => view.setBigUint64(branch * 4096 + 24, 1n, true)),
    ],
    [
      'children in the wrong order',
      'unsorted-keys',
      changed((_, view) => {
        view.setBigUint64(branch * 4096 + 24, BigInt(otherLeaf), true);
        view.setBigUint64(branch * 4096 + 40, BigInt(leaf), true);
      }),
    ],
    [
      'a page in use that is free',
      'page-used-twice',
      changed((_, view) => {
        view.setUint16(2 * 4096 + 10, 1, true);
        view.setBigUint64(2 * 4096 + 16, BigInt(leaf), true);
      }),
    ],
    ['a freelist that is none', 'bad-page', changed((_, view) => view.setUint16(2 * 4096 + 8, 2, true))],
    [
      'a freelist longer than its page',
      'bad-page',
      changed((_, view) => {
        view.setUint16(2 * 4096 + 10, 0xffff, true);
        view.setBigUint64(2 * 4096 + 16, 1n << 62n, true);
      }),
    ],
  ])('with %s is named: %s', (_, kind, damaged) => {
    expect(outcome(damaged)).toBe(kind);
  });

  test('with bytes changed anywhere gives its rows or a BoltError, nothing else', () => {
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 20 }), (changes) => {
        const damaged = changed((copy) => {
          for (const [at, byte] of changes) copy[at] = byte;
        });
        expect(typeof outcome(damaged)).toBe('string');
      }),
      { numRuns: 300 },
    );
  });

  test('with headers of pages overwritten gives its rows or a BoltError, nothing else', () => {
    const change = fc.tuple(
      fc.nat(file.length / 4096 - 1),
      fc.nat(200),
      fc.uint8Array({ minLength: 1, maxLength: 16 }),
    );
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 10 }), (changes) => {
        const damaged = changed((copy) => {
          for (const [page, at, bytes] of changes) copy.set(bytes, page * 4096 + at);
        });
        expect(typeof outcome(damaged)).toBe('string');
      }),
      { numRuns: 500 },
    );
  });

  test('of random bytes behind a sound meta page gives a BoltError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 200, maxLength: 200 }), (noise) => {
        const damaged = changed((copy) => {
          for (let at = 8192; at < copy.length; at++) copy[at] = noise[at % noise.length] as number;
        });
        expect(outcome(damaged)).not.toBe('sound');
      }),
    );
  });
});
