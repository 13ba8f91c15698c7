import { closeSync, createReadStream, createWriteStream, fstatSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { existsSync, renameSync } from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { LogRotation } from '../../config/process-config';

const DAY_MS = 24 * 3600 * 1000;
const COMPRESSED = '.gz';
const UNFINISHED = '.part';

/** A rotated file beside the one that is written. */
interface Backup {
  readonly file: string;
  readonly at: number;
}

/**
 * A log file that is set aside before it grows beyond its size, as `name-2006-01-02T15-04-05.000.ext` (etcd's form); those set aside are
 * compressed and removed in the background. One process writes it.
 */
export class RotatingFile {
  private fd: number;
  private size: number;
  private readonly directory: string;
  private readonly extension: string;
  private readonly prefix: string;
  private tidying: Promise<void> = Promise.resolve();

  /** Throws when the file can't be opened. */
  constructor(
    private readonly path: string,
    private readonly rotation: LogRotation,
    private readonly onProblem: (error: unknown) => void,
    private readonly wallClock: () => number = Date.now,
  ) {
    this.directory = dirname(path);
    this.extension = extname(path);
    this.prefix = `${basename(path, this.extension)}-`;
    mkdirSync(this.directory, { recursive: true });
    this.fd = this.open();
    this.size = fstatSync(this.fd).size;
    this.tidyLater();
  }

  /** A line that is larger than a whole file has one to itself. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.size > 0 && this.size + bytes.length > this.rotation.bytesMax) this.rotate();
    this.size += writeSync(this.fd, bytes);
  }

  /** Resolves when what was set aside so far has been compressed and what is too much removed. */
  settled(): Promise<void> {
    return this.tidying;
  }

  close(): void {
    closeSync(this.fd);
  }

  private open(): number {
    return openSync(this.path, 'a', 0o600);
  }

  private rotate(): void {
    renameSync(this.path, this.freeName());
    const full = this.fd;
    this.fd = this.open();
    closeSync(full);
    this.size = 0;
    this.tidyLater();
  }

  /** Files may be set aside within one millisecond: none replaces another. */
  private freeName(): string {
    for (let at = this.wallClock(); ; at++) {
      const path = join(this.directory, `${this.prefix}${timeText(at, this.rotation.localTime)}${this.extension}`);
      if (!existsSync(path) && !existsSync(path + COMPRESSED)) return path;
    }
  }

  private tidyLater(): void {
    this.tidying = this.tidying.then(() => this.tidy()).catch(this.onProblem);
  }

  private async tidy(): Promise<void> {
    const { daysMax, backupsMax, compress } = this.rotation;
    const newestFirst = (await this.backups()).sort((a, b) => b.at - a.at);
    const oldest = daysMax === 0 ? Number.NEGATIVE_INFINITY : this.wallClock() - daysMax * DAY_MS;
    let kept = 0;
    for (const { file, at } of newestFirst) {
      const path = join(this.directory, file);
      kept++;
      if (at < oldest || (backupsMax > 0 && kept > backupsMax)) await unlink(path);
      else if (compress && !file.endsWith(COMPRESSED)) await compressFile(path);
    }
  }

  private async backups(): Promise<Backup[]> {
    const found: Backup[] = [];
    for (const file of await readdir(this.directory)) {
      const end = [this.extension, this.extension + COMPRESSED].find((one) => file.endsWith(one));
      if (end === undefined || !file.startsWith(this.prefix)) continue;
      const at = timeOf(file.slice(this.prefix.length, file.length - end.length), this.rotation.localTime);
      if (at !== undefined) found.push({ file, at });
    }
    return found;
  }
}

/** Whole or not at all, whatever ends the process. */
async function compressFile(path: string): Promise<void> {
  const unfinished = `${path}${COMPRESSED}${UNFINISHED}`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(unfinished, { mode: 0o600 }));
  await rename(unfinished, path + COMPRESSED);
  await unlink(path);
}

function timeText(at: number, isLocal: boolean): string {
  const shifted = isLocal ? at - new Date(at).getTimezoneOffset() * 60_000 : at;
  return new Date(shifted).toISOString().slice(0, -1).replaceAll(':', '-');
}

function timeOf(text: string, isLocal: boolean): number | undefined {
  const [, day, hour, minute, second] = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})$/.exec(text) ?? [];
  if (day === undefined) return undefined;
  const at = Date.parse(`${day}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}${isLocal ? '' : 'Z'}`);
  return Number.isNaN(at) ? undefined : at;
}
