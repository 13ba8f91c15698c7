import fc from 'fast-check';
import { hashOf, placeOf } from './placement';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const place = (name: string) => ({ name, seed: hashOf(bytes(name)) });
const hashes = Array.from({ length: 4_000 }, (_, at) => hashOf(bytes(`registry/pods/${at}`), bytes('')));

test('a range is on the same hub whatever the order in which hubs are known', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), fc.nat(), (names, hash) => {
      const places = names.map(place);
      expect(placeOf([...places].reverse(), hash)).toEqual(placeOf(places, hash));
    }),
  );
});

test('a hub that comes takes its share from all, and nothing else moves', () => {
  const before = [1, 2, 3].map((at) => place(`tcp:10.0.0.${at}:7003`));
  const after = [...before, place('tcp:10.0.0.4:7003')];
  const moved = hashes.filter((hash) => placeOf(before, hash)?.name !== placeOf(after, hash)?.name);
  expect(moved.length / hashes.length).toBeGreaterThan(0.2);
  expect(moved.length / hashes.length).toBeLessThan(0.3);
  expect(new Set(moved.map((hash) => placeOf(after, hash)?.name))).toEqual(new Set(['tcp:10.0.0.4:7003']));
  expect(new Set(moved.map((hash) => placeOf(before, hash)?.name)).size).toBe(3);
});

test('each of two hubs has about half', () => {
  const two = [place('tcp:10.0.0.1:7003'), place('tcp:10.0.0.2:7003')];
  const first = hashes.filter((hash) => placeOf(two, hash) === two[0]).length;
  expect(first / hashes.length).toBeGreaterThan(0.45);
  expect(first / hashes.length).toBeLessThan(0.55);
});

test('a range is not taken for another whose key and end run together the same', () => {
  expect(hashOf(bytes('ab'), bytes('c'))).not.toBe(hashOf(bytes('a'), bytes('bc')));
});

test('without hubs there is no place', () => {
  expect(placeOf([], 7)).toBeUndefined();
});
