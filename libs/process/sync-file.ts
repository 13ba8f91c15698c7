import { closeSync, fdatasyncSync, openSync } from 'node:fs';

/** Makes what is in `file` durable, whoever wrote it. */
export function syncFile(file: string): void {
  const fd = openSync(file, 'r');
  try {
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
