import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CorruptionError } from '../mvcc';
import { beginGeneration, currentGeneration, pointerTo, removeOtherGenerations } from './generations';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hexad-generations-'));
  writeFileSync(join(directory, 'db'), 'first');
  writeFileSync(join(directory, 'lock'), '');
});
afterEach(() => rmSync(directory, { recursive: true }));

function use(name: string): void {
  writeFileSync(join(directory, name, 'db'), name);
  writeFileSync(join(directory, 'current'), pointerTo(name));
}

test('without a pointer the directory itself is the store, and an unfinished generation goes', () => {
  expect(currentGeneration(directory)).toBe(directory);
  const { name } = beginGeneration(directory);
  writeFileSync(join(directory, name, 'db'), 'half');
  removeOtherGenerations(directory);
  expect(readdirSync(directory).sort()).toEqual(['db', 'lock']);
});

test('a generation is the store from the moment the pointer names it, and those before it go', () => {
  const first = beginGeneration(directory);
  use(first.name);
  expect(currentGeneration(directory)).toBe(first.directory);
  const second = beginGeneration(directory);
  expect(second.name).not.toBe(first.name);
  expect(existsSync(join(first.directory, 'db'))).toBe(true);
  use(second.name);
  removeOtherGenerations(directory);
  expect(readdirSync(directory).sort()).toEqual(['current', second.name, 'lock']);
});

test('an attempt that was given up leaves nothing to the next one', () => {
  const first = beginGeneration(directory);
  writeFileSync(join(first.directory, 'db'), 'half');
  const second = beginGeneration(directory);
  expect(readdirSync(second.directory)).toEqual([]);
});

test.each(['generation-7\n', '../elsewhere\n', '', 'generation-x'])('a pointer that says %j names no store', (text) => {
  mkdirSync(join(directory, 'generation-7'));
  writeFileSync(join(directory, 'current'), text);
  expect(() => currentGeneration(directory)).toThrow(CorruptionError);
});
