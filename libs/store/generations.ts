import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { failpoint } from '../failpoints';
import { CorruptionError } from '../mvcc';
import { writeDurablyLater } from '../process';

const beforeRemove = failpoint('storeBeforeRemoveGeneration');
const afterRemove = failpoint('storeAfterRemoveGeneration');

/**
 * A store directory holds generations, each a directory with a store of its own, and a file that names the one in use.
 * Without that file the directory itself is the first generation. A new one is built beside the old one and becomes the
 * store by a rename of that file; nothing is ever written over a store that is open.
 */
export const POINTER_FILE = 'current';
const NAME = /^generation-(\d{1,15})$/;

/** The directory of the store in use. @throws CorruptionError when the pointer names nothing that is there */
export function currentGeneration(storeDir: string): string {
  const name = currentName(storeDir);
  return name === undefined ? storeDir : join(storeDir, name);
}

/** An empty directory for a store that is to replace the present one. What an earlier attempt left is removed. */
export function beginGeneration(storeDir: string): { readonly name: string; readonly directory: string } {
  removeOtherGenerations(storeDir);
  const current = currentName(storeDir);
  const name = `generation-${current === undefined ? 1 : numberOf(current) + 1}`;
  const directory = join(storeDir, name);
  mkdirSync(directory, { mode: 0o700 });
  return { name, directory };
}

/** The content of the pointer file that puts `name` in use; the caller writes it durably. */
export function pointerTo(name: string): Uint8Array {
  return Buffer.from(`${name}\n`);
}

/**
 * Puts a generation in use, whose content is durable. After an error the one before is in use, except after an
 * UncertainSwitchError.
 */
export async function switchGeneration(storeDir: string, name: string): Promise<void> {
  const pointer = join(storeDir, POINTER_FILE);
  try {
    await writeDurablyLater(pointer, pointerTo(name));
  } catch (error) {
    if (currentName(storeDir) !== name) throw error;
    throw new UncertainSwitchError(`${pointer} may not be durable: ${String(error)}`, { cause: error });
  }
}

/** Whether a renamed pointer is on the disk is not known. Either store may be found at the next start, and both are whole. */
export class UncertainSwitchError extends Error {
  override readonly name = 'UncertainSwitchError';
}

/** Removes the stores that are not in use. */
export function removeOtherGenerations(storeDir: string): void {
  for (const path of otherGenerations(storeDir)) {
    beforeRemove.reach();
    rmSync(path, { recursive: true, force: true });
    afterRemove.reach();
  }
}

/** The paths of stores that are not in use. */
export function otherGenerations(storeDir: string): string[] {
  const current = currentName(storeDir);
  const isOther = (name: string): boolean =>
    (current !== undefined && (name === 'db' || name === 'db-lock')) || (NAME.test(name) && name !== current);
  return readdirSync(storeDir)
    .filter(isOther)
    .map((name) => join(storeDir, name));
}

function currentName(storeDir: string): string | undefined {
  const pointer = join(storeDir, POINTER_FILE);
  if (!existsSync(pointer)) return undefined;
  const name = readFileSync(pointer, 'utf8').trim();
  if (!NAME.test(name) || !existsSync(join(storeDir, name, 'db')))
    throw new CorruptionError(`${pointer} names "${name}", which is no store in ${storeDir}`);
  return name;
}

function numberOf(name: string): number {
  return Number(NAME.exec(name)?.[1] ?? 0);
}
