import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteSource } from '../../libs/bbolt';

const BLOCK_BYTES = 64 * 1024;
const BLOCKS_MAX = 64;
const CONFLICT_EXIT_CODE = 75;

/** A file read in blocks, the latest of which are kept. */
export class FileSource implements ByteSource {
  readonly size: number;
  private readonly fd: number;
  /** By number; the one used last is last. */
  private readonly blocks = new Map<number, Uint8Array>();

  /** Throws the system's error. */
  constructor(path: string) {
    this.fd = openSync(path, 'r');
    this.size = fstatSync(this.fd).size;
  }

  read(offset: number, length: number): Uint8Array {
    const first = Math.floor(offset / BLOCK_BYTES);
    const start = offset - first * BLOCK_BYTES;
    if (start + length <= BLOCK_BYTES) return this.block(first).subarray(start, start + length);
    return this.readFile(offset, Math.min(length, Math.max(0, this.size - offset)));
  }

  /** The same bytes without what follows `size`. */
  limitedTo(size: number): ByteSource {
    return { size, read: (offset, length) => this.read(offset, Math.min(length, Math.max(0, size - offset))) };
  }

  /** Whether a program has the file locked for itself (flock, as bbolt does); Node has no flock, hence the tool. */
  isLocked(): boolean {
    const args = ['--shared', '--nonblock', '--conflict-exit-code', String(CONFLICT_EXIT_CODE), '3'];
    return spawnSync('flock', args, { stdio: ['ignore', 'ignore', 'ignore', this.fd] }).status === CONFLICT_EXIT_CODE;
  }

  close(): void {
    closeSync(this.fd);
  }

  private block(number: number): Uint8Array {
    const kept = this.blocks.get(number);
    const block = kept ?? this.readFile(number * BLOCK_BYTES, BLOCK_BYTES);
    this.blocks.delete(number);
    this.blocks.set(number, block);
    const [oldest] = this.blocks.keys();
    if (this.blocks.size > BLOCKS_MAX && oldest !== undefined) this.blocks.delete(oldest);
    return block;
  }

  /** Fewer bytes at the end of the file. A buffer of its own each time: what was given out stays as it is. */
  private readFile(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let read = 0;
    while (read < length) {
      const count = readSync(this.fd, bytes, read, length - read, offset + read);
      if (count === 0) break;
      read += count;
    }
    return bytes.subarray(0, read);
  }
}
