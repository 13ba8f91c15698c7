import fc from 'fast-check';
import { hashText, hashValue, StateHash } from './state-hash';
import { decodeState, encodeState, EMPTY_STATE } from './schema';
import { bytesOf, StoreFixture } from './store-fixture';

/** What one entry writes: checksums. */
const entries = fc.array(fc.array(fc.integer(), { maxLength: 4 }), { minLength: 1, maxLength: 60 });

function apply(hash: StateHash, index: number, checksums: readonly number[]): void {
  for (const checksum of checksums) hash.note(checksum);
  hash.seal(index, 1);
}

const textAt = (hash: StateHash, index: number): string => {
  const value = hash.at(index);
  return value === undefined ? 'none' : hashText(value);
};

test('two members that apply the same have the same hash at every index, whatever was stored in between', () => {
  fc.assert(
    fc.property(entries, fc.nat(), (log, cut) => {
      const whole = new StateHash(EMPTY_STATE.hash, 0);
      const first = new StateHash(EMPTY_STATE.hash, 0);
      const restart = cut % log.length;
      log.forEach((checksums, i) => apply(whole, i + 1, checksums));
      log.slice(0, restart).forEach((checksums, i) => apply(first, i + 1, checksums));
      const stored = decodeState(encodeState({ ...EMPTY_STATE, hash: first.stored })).hash;
      const second = new StateHash(stored, restart);
      log.slice(restart).forEach((checksums, i) => apply(second, restart + i + 1, checksums));
      for (let index = restart + 1; index <= log.length; index++)
        expect(textAt(second, index)).toBe(textAt(whole, index));
    }),
  );
});

test('one bit more or less in one entry, its place and its term all show, and go on showing', () => {
  fc.assert(
    fc.property(entries, fc.nat(), fc.nat({ max: 31 }), (log, where, bit) => {
      const good = new StateHash(EMPTY_STATE.hash, 0);
      const odd = new StateHash(EMPTY_STATE.hash, 0);
      const at = where % log.length;
      log.forEach((checksums, i) => {
        apply(good, i + 1, checksums);
        apply(odd, i + 1, i === at ? [...checksums.slice(1), (checksums[0] ?? 0) ^ (1 << bit)] : checksums);
      });
      for (let index = 1; index <= log.length; index++)
        expect(textAt(odd, index) === textAt(good, index)).toBe(index <= at);
    }),
  );
});

test('a member without a hash takes over the chain of another, at an entry that both have passed', () => {
  fc.assert(
    fc.property(entries, fc.nat(), fc.nat(), (log, from, where) => {
      const start = from % log.length;
      const known = new StateHash(EMPTY_STATE.hash, 0);
      const late = new StateHash({ origin: -1, high: 0, low: 0 }, start);
      log.forEach((checksums, i) => apply(known, i + 1, checksums));
      log.slice(start).forEach((checksums, i) => apply(late, start + i + 1, checksums));
      const at = start + 1 + (where % (log.length - start));
      expect(late.adopt(0, at, known.at(at) ?? { high: 0, low: 0 })).toBe(true);
      for (let index = at; index <= log.length; index++) expect(textAt(late, index)).toBe(textAt(known, index));
      apply(known, log.length + 1, [7]);
      apply(late, log.length + 1, [7]);
      expect(textAt(late, log.length + 1)).toBe(textAt(known, log.length + 1));
      expect(late.origin).toBe(0);
    }),
  );
});

test('a chain that begins at an entry is the same whatever was applied before', () => {
  fc.assert(
    fc.property(entries, entries, fc.integer(), fc.integer(), (log, after, high, low) => {
      const long = new StateHash({ origin: -1, high, low }, 0);
      log.forEach((checksums, i) => apply(long, i + 1, checksums));
      const restarted = new StateHash({ origin: -1, high: 0, low: 0 }, log.length);
      for (const hash of [long, restarted]) {
        hash.begin();
        after.forEach((checksums, i) => apply(hash, log.length + i + 1, checksums));
        expect(hash.origin).toBe(log.length);
        expect(hash.at(log.length - 1)).toBeUndefined();
      }
      for (let index = log.length + 1; index <= log.length + after.length; index++)
        expect(textAt(long, index)).toBe(textAt(restarted, index));
    }),
  );
});

test('the text of a hash has all of it', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (high, low) =>
      expect(hashValue(hashText({ high, low }))).toEqual({ high, low }),
    ),
  );
});

test('hashes are kept for the last 65,536 entries', () => {
  const hash = new StateHash(EMPTY_STATE.hash, 0);
  for (let index = 1; index <= 70_000; index++) apply(hash, index, [index]);
  expect(hash.at(70_000 - 65_536)).toBeUndefined();
  expect(hash.at(70_000 - 65_535)).toBeDefined();
  expect(hash.at(70_001)).toBeUndefined();
  expect(hash.adopt(0, 1, { high: 1, low: 1 })).toBe(false);
});

test('commits, compaction and restarts leave no trace in it; rows of the member alone neither', async () => {
  const run = async (restless: boolean): Promise<string> => {
    const fixture = new StoreFixture();
    for (let i = 0; i < 40; i++) {
      fixture.put(`k${i % 5}`, `v${i}`, { lease: BigInt(i % 2) });
      if (i % 7 === 3) fixture.delete(`k${i % 5}`);
      if (restless) fixture.store.ownTable('meta').put(bytesOf('own'), bytesOf(`${i}`));
      fixture.applied(fixture.store.table('lease').put(bytesOf(`row${i % 3}`), bytesOf(`${i}`)));
      if (i % 10 === 9) fixture.compact(fixture.store.revision - 3);
      if (!restless) continue;
      if (i % 3 === 0) await fixture.store.flush();
      while (i % 10 === 9 && !fixture.store.compactSlice(2)) await fixture.store.flush();
      if (i % 10 !== 5) continue;
      await fixture.store.flush();
      fixture.crash();
    }
    const { stateHash, applied } = fixture.store;
    return textAt(stateHash, applied.index);
  };
  expect(await run(true)).toBe(await run(false));
});
