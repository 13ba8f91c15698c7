import { statfsSync } from 'node:fs';

/** With less than this left, a write that failed without a reason of its own is taken to have failed for want of space. */
const NEARLY_FULL_BYTES = 8 * 1024 * 1024;

/** The disk is full. */
export class NoSpaceError extends Error {
  override readonly name = 'NoSpaceError';

  constructor(message: string, options?: ErrorOptions) {
    super(`no space left on device: ${message}`, options);
  }
}

/** The same error, or a NoSpaceError when the disk is full: LMDB says EIO of a write that falls short. */
export function noSpaceError(error: unknown, directory: string): unknown {
  if (error instanceof NoSpaceError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (/ENOSPC|EDQUOT|No space left|[Qq]uota exceeded/.test(message)) return new NoSpaceError(message, { cause: error });
  const isUnexplained = /EIO|Input\/output error|MDB_PANIC|commit to the store failed/.test(message);
  return isUnexplained && isFull(directory) ? new NoSpaceError(message, { cause: error }) : error;
}

function isFull(directory: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize < NEARLY_FULL_BYTES;
  } catch {
    return false;
  }
}

/** Whether the disk that `directory` is on had no room for what failed. */
export function isNoSpace(error: unknown, directory: string): boolean {
  return noSpaceError(error, directory) instanceof NoSpaceError;
}
