import { ftruncateSync, openSync, writeSync } from 'node:fs';

const SECTOR_BYTES = 512;

export interface Change {
  readonly offset: number;
  /** Bytes written there; 'zeros' of `length`; 'truncate' to size `offset`. */
  readonly what: Buffer | 'zeros' | 'truncate';
  readonly length: number;
}

export const NOTHING: Change = { offset: 0, what: Buffer.alloc(0), length: 0 };

/** A file by identity, whatever its names are. `store` holds what is durable of it. */
export interface FileNode {
  readonly store: string;
  /** That it had first. */
  readonly name: string;
  fd: number | undefined;
  pending: Change[];
  /** How many changes have been made durable. */
  flushed: number;
}
export function newNode(store: string, name: string): FileNode {
  return { store, name, fd: undefined, pending: [], flushed: 0 };
}

export function flush(file: FileNode, count: number): void {
  const due = file.pending.splice(0, Math.max(0, count - file.flushed));
  for (const change of due) apply(file, change);
  file.flushed += due.length;
}

export function apply(file: FileNode, { offset, what, length }: Change): void {
  file.fd ??= openSync(file.store, 'r+');
  if (what === 'truncate') ftruncateSync(file.fd, offset);
  else {
    const bytes = what === 'zeros' ? Buffer.alloc(length) : what;
    for (let done = 0; done < bytes.length; )
      done += writeSync(file.fd, bytes, done, bytes.length - done, offset + done);
  }
}

export function* sectors({ offset, what, length }: Change): Generator<Change> {
  for (let at = 0; at < length; ) {
    const end = Math.min(length, at + SECTOR_BYTES - ((offset + at) % SECTOR_BYTES));
    yield { offset: offset + at, what: typeof what === 'string' ? what : what.subarray(at, end), length: end - at };
    at = end;
  }
}

export function liesWithin(change: Change, offset: number, length: number): boolean {
  return change.what !== 'truncate' && change.offset >= offset && change.offset + change.length <= offset + length;
}
