import * as fc from 'fast-check';
import { CountIndex } from './count-index';
import { plainEnvironment } from './plain-environment';
import { findRange, findRangeSliced } from './range';
import { EMPTY_STATE } from './schema';
import { SimulatedDisk } from './simulated-engine';
import { SlowModel } from './slow-model';
import { bytesOf, rangeQuery, textOf } from './store-fixture';
import type { Outcome, RangeQuery } from './types';
import { Versions } from './versions';
import { Writer } from './writer';

const LIMITS = { rows: 1e9, bytes: 1e9, commitsPerRound: 1, rowsPerCommitMin: 1, cacheBytes: 1e9 };
const key = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(12)).map(([letter, number]) => `${letter}${number}`);
const bound = fc.oneof(key, fc.constantFrom('\0', 'b', 'c', 'zz'));

const write = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), key, end: fc.constant('') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), key, end: fc.constant('') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteRange' as const), key, end: key }) },
);
type Write = { readonly kind: 'put' | 'delete' | 'deleteRange'; readonly key: string; readonly end: string };

const read = fc.record({
  key: bound,
  rangeEnd: bound,
  limit: fc.nat(6),
  back: fc.nat(30),
  countOnly: fc.boolean(),
  order: fc.nat(2),
});

/** A store's versions and its slow twin; segments of three rows, so that all that can happen to them happens. */
class Twins {
  readonly versions = new Versions(new SimulatedDisk().open(), plainEnvironment, EMPTY_STATE, LIMITS);
  readonly writer = new Writer(this.versions, plainEnvironment, undefined);
  readonly model = new SlowModel();

  constructor() {
    Object.assign(this.versions, { countIndex: new CountIndex(this.versions, 3, 12) });
  }

  write({ kind, key: text, end }: Write): void {
    if (kind === 'put') {
      this.writer.put(bytesOf(text), bytesOf('v'), 0n);
      this.model.put(text, 'v');
    } else if (kind === 'delete') {
      this.writer.delete(bytesOf(text));
      this.model.delete(text);
    } else {
      this.writer.deleteRange(bytesOf(text), bytesOf(end));
      this.model.deleteRange(text, end);
    }
    this.writer.finish();
    this.model.finish();
  }

  expected(query: RangeQuery, revision: number): string {
    const end = textOf(query.rangeEnd) === '\0' ? undefined : textOf(query.rangeEnd);
    const all = this.model.range(textOf(query.key), end, revision).map((version) => version.key);
    const limit = Number(query.limit) || Number.POSITIVE_INFINITY;
    const shown = query.sortOrder === 2 ? [...all].reverse() : all;
    return query.countOnly ? `${all.length}` : `${shown.slice(0, limit).join(' ')} of ${all.length}`;
  }
}

function shown(
  query: RangeQuery,
  outcome: Outcome<{ versions: readonly { key: Uint8Array }[]; count: number }>,
): string {
  if (!outcome.ok) return outcome.error;
  const { versions, count } = outcome.value;
  return query.countOnly ? `${count}` : `${versions.map((version) => textOf(version.key)).join(' ')} of ${count}`;
}

test('counts are exact at any revision, whatever was counted before and whatever is written while they are made', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { maxLength: 60 }),
      fc.array(fc.record({ read, during: fc.array(write, { maxLength: 8 }) }), { minLength: 1, maxLength: 12 }),
      async (before, steps) => {
        const twins = new Twins();
        for (const each of before) twins.write(each);
        for (const { read: asked, during } of steps) {
          const current = twins.versions.revision;
          const revision = Math.max(1, current - asked.back);
          const { key: start, rangeEnd, limit, countOnly, order } = asked;
          const query = rangeQuery({ key: start, rangeEnd, limit, countOnly, sortOrder: order, revision });
          const expected = twins.expected(query, revision);
          const writes = [...during];
          const pause = (): Promise<void> => {
            const next = writes.shift();
            if (next !== undefined) twins.write(next);
            return Promise.resolve();
          };
          expect(shown(query, await findRangeSliced(twins.versions, query, pause))).toBe(expected);
          for (const each of writes) twins.write(each);
          expect(shown(query, findRange(twins.versions, query, twins.versions.revision))).toBe(expected);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('the pages of a list at one revision have exact counts while keys come and go', async () => {
  const twins = new Twins();
  for (let i = 0; i < 50; i++) twins.write({ kind: 'put', key: `k${String(i).padStart(2, '0')}`, end: '' });
  const { revision } = twins.versions;
  let start = 'k';
  const seen: string[] = [];
  for (let left = 50; left > 0; left -= 7) {
    twins.write({ kind: 'put', key: `k${left}new`, end: '' });
    twins.write({ kind: 'delete', key: `k${String(left - 1).padStart(2, '0')}`, end: '' });
    const query = rangeQuery({ key: start, rangeEnd: 'l', limit: 7, revision });
    const outcome = await findRangeSliced(twins.versions, query, () => Promise.resolve());
    if (!outcome.ok) throw new Error(outcome.error);
    expect([outcome.value.count, outcome.value.more]).toEqual([left, left > 7]);
    seen.push(...outcome.value.versions.map((version) => textOf(version.key)));
    start = `${seen.at(-1)}\0`;
  }
  expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => `k${String(i).padStart(2, '0')}`));
});

test('a page of a long list is read without the keys behind it, once these have been counted', async () => {
  const disk = new SimulatedDisk();
  const versions = new Versions(disk.open(), plainEnvironment, EMPTY_STATE, LIMITS);
  const writer = new Writer(versions, plainEnvironment, undefined);
  const keys = 20_000;
  for (let i = 0; i < keys; i++) {
    writer.put(bytesOf(`k${String(i).padStart(5, '0')}`), bytesOf('v'), 0n);
    writer.finish();
  }
  const decoded = jest.spyOn(versions, 'scan');
  let rows = 0;
  decoded.mockImplementation((...bounds: Parameters<Versions['scan']>) => {
    const cursor = Versions.prototype.scan.apply(versions, bounds);
    const next = cursor.next.bind(cursor);
    cursor.next = () => {
      rows++;
      return next();
    };
    return cursor;
  });
  const page = async (start: number): Promise<number> => {
    rows = 0;
    const query = rangeQuery({ key: `k${String(start).padStart(5, '0')}`, rangeEnd: 'l', limit: 10 });
    const outcome = await findRangeSliced(versions, query, () => Promise.resolve());
    expect(outcome).toMatchObject({ ok: true, value: { more: true, count: keys - start } });
    return rows;
  };
  expect(await page(0)).toBeGreaterThan(keys);
  expect(await page(0)).toBeLessThan(20);
  // Its segment is read in part.
  expect(await page(7_654)).toBeLessThan(2_100);
  expect(versions.countIndex.segments).toBeLessThan(30);
});
