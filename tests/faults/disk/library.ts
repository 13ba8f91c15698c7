import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, writeSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../system/support/cluster';

let built: string | undefined;

/** Compiles journal.c. undefined: there is no compiler here. @throws if it does not compile */
export function buildDiskLibrary(): string | undefined {
  if (built !== undefined) return built;
  const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (compiler === undefined || process.platform !== 'linux') return undefined;
  const target = join(mkdtempSync(join(tmpdir(), 'hexad-disk-')), 'journal.so');
  const source = join(ROOT, 'tests', 'faults', 'disk', 'journal.c');
  const run = spawnSync(
    compiler,
    ['-O2', '-Wall', '-Werror', '-shared', '-fPIC', '-o', target, source, '-ldl', '-lpthread'],
    {
      encoding: 'utf8',
    },
  );
  if (run.status !== 0) throw new Error(`${source} does not compile:\n${run.stderr}`);
  built = target;
  return target;
}

export interface DiskFiles {
  /** Changes below it are seen. */
  readonly root: string;
  readonly journal?: string;
  readonly control?: string;
  readonly bootId?: string;
}

/** Environment of a process whose disk is to be controlled. */
export function diskEnvironment(library: string, files: DiskFiles): NodeJS.ProcessEnv {
  return {
    LD_PRELOAD: library,
    UV_USE_IO_URING: '0', // its writes pass by the C library
    TEST_DISK_ROOT: files.root,
    TEST_DISK_JOURNAL: files.journal ?? '',
    TEST_DISK_CONTROL: files.control ?? '',
    ...(files.bootId === undefined ? {} : { TEST_DISK_BOOT_ID: files.bootId }),
  };
}

/** Sets how the disk of the processes that were given the control file `path` behaves from now on; makes the file. */
export function setDisk(path: string, { syncDelayMs, isFull }: { syncDelayMs: number; isFull: boolean }): void {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(syncDelayMs, 0);
  bytes.writeUInt32LE(isFull ? 1 : 0, 4);
  const fd = openSync(path, 'a+'); // in place: the processes have it mapped
  closeSync(fd);
  const writer = openSync(path, 'r+');
  writeSync(writer, bytes, 0, 8, 0);
  closeSync(writer);
}
