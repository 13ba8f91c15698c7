import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { StartError } from './start-error';

const RETRY_MS = 50;
const CONFLICT_EXIT_CODE = 75;

/**
 * Takes an exclusive lock on `directory` for the life of this process and returns its release. Node has no flock(2); the
 * `flock` tool locks the open file description it inherits from us, so the lock is ours when the tool has ended, and
 * the kernel drops it with our last descriptor, however we die. A lock still held is retried for `waitMs`, because
 * children outlive a killed parent for a moment.
 *
 * @throws StartError when another process keeps the lock
 */
export async function lockDirectory(directory: string, waitMs = 3_000): Promise<() => void> {
  const fd = openSync(join(directory, 'lock'), 'a', 0o600);
  const giveUpAt = performance.now() + waitMs;
  while (!(await tryLock(fd))) {
    if (performance.now() >= giveUpAt) {
      closeSync(fd);
      throw new StartError(`data directory ${directory} is in use by another process`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, RETRY_MS);
    });
  }
  return () => closeSync(fd);
}

function tryLock(fd: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const tool = spawn(
      'flock',
      ['--exclusive', '--nonblock', '--conflict-exit-code', String(CONFLICT_EXIT_CODE), '3'],
      {
        stdio: ['ignore', 'ignore', 'ignore', fd],
      },
    );
    tool.once('error', (error) => reject(new StartError(`cannot lock the data directory: ${error.message}`)));
    tool.once('exit', (code) => {
      if (code === 0) resolve(true);
      else if (code === CONFLICT_EXIT_CODE) resolve(false);
      else reject(new StartError(`cannot lock the data directory: flock ended with ${String(code)}`));
    });
  });
}
