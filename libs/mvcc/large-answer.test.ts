import * as fc from 'fast-check';
import { rangeQuery, StoreFixture } from './store-fixture';

const HEADER = Uint8Array.of(8, 1, 16, 2);
const read = fc.record({
  key: fc.constantFrom('\0', 'key-0', 'key-3', 'key-9', 'nothing'),
  rangeEnd: fc.constantFrom('', '\0', 'key-5', 'key-99'),
  limit: fc.constantFrom(0, 1, 3, 100),
  keysOnly: fc.boolean(),
  minModRevision: fc.constantFrom(0, 0, 5),
  maxCreateRevision: fc.constantFrom(0, 0, 9),
});

test('an answer made in two passes has the bytes of one made at once, whatever is written between its parts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(15), fc.string({ maxLength: 200 }), fc.nat(5)), { maxLength: 40 }),
      read,
      fc.integer({ min: 1, max: 300 }),
      fc.nat(8),
      async (writes, asked, partBytes, back) => {
        const fixture = new StoreFixture();
        const write = ([key, value, kind]: [number, string, number]): void => {
          if (kind === 0) fixture.delete(`key-${key}`);
          else fixture.put(`key-${key}`, value);
        };
        for (const each of writes.slice(0, 30)) write(each);
        await fixture.store.flush();
        const revision = Math.max(1, fixture.store.revision - back);
        const query = rangeQuery({ ...asked, revision });
        const whole = fixture.store.rangeEncoded(query, HEADER);
        if (!whole.ok) throw new Error(whole.error);
        const later = writes.slice(30);
        const meanwhile = (): void => {
          const next = later.shift();
          if (next !== undefined) write(next);
        };
        const answer = fixture.store.largeAnswer(query, HEADER);
        while (!answer.measure(3)) meanwhile();
        const parts: Uint8Array[] = [];
        for (let part = answer.next(partBytes); part !== undefined; part = answer.next(partBytes)) {
          parts.push(part);
          meanwhile();
        }
        const bytes = Buffer.concat(parts);
        expect(bytes.length).toBe(answer.bytes);
        expect(bytes.equals(whole.value)).toBe(true);
      },
    ),
    { numRuns: 400 },
  );
});

test('a range in key order is given up once it is larger than a reply may be, and only then', async () => {
  const fixture = new StoreFixture();
  for (let i = 0; i < 3_000; i++) fixture.put(`key-${String(i).padStart(4, '0')}`, 'x'.repeat(100));
  const all = { key: 'key-', rangeEnd: 'key.' };
  const pause = (): Promise<void> => Promise.resolve();
  const ask = async (more: object, bytesMax: number): Promise<string> => {
    const outcome = await fixture.store.rangeSliced(rangeQuery({ ...all, ...more }), HEADER, pause, bytesMax);
    return outcome.ok ? 'whole' : outcome.error;
  };
  expect(await ask({}, 100_000)).toBe('too-large');
  expect(await ask({}, 1_000_000)).toBe('whole');
  expect(await ask({ limit: 10 }, 100_000)).toBe('whole');
  expect(await ask({ countOnly: true }, 10)).toBe('whole');
  expect(await ask({ sortOrder: 2 }, 100_000)).toBe('whole');
});

test('an answer whose revision is compacted says so', () => {
  const fixture = new StoreFixture();
  for (let i = 0; i < 20; i++) fixture.put('key', String(i));
  const answer = fixture.store.largeAnswer(rangeQuery({ key: 'key', revision: 5 }), HEADER);
  expect(answer.isCompacted).toBe(false);
  fixture.compact(6);
  expect(answer.isCompacted).toBe(true);
});
