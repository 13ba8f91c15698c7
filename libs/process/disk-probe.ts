import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gauge, type MetricFamily } from '../telemetry';

const WRITES = 8;
const BLOCK_BYTES = 4096;
/** No write begins after this, so that a slow disk is not kept busy for long. */
const LAST_WRITE_AFTER_MS = 500;

let running: Promise<MetricFamily[]> | undefined;

/**
 * What the disk of a directory takes now to write and sync a block, several times over, in a file of its own: an idle member's
 * metrics do not tell. One probe at a time: who asks meanwhile gets its result. Rejects when nothing can be written.
 */
export function probeDisk(directory: string): Promise<MetricFamily[]> {
  running ??= measure(directory).finally(() => {
    running = undefined;
  });
  return running;
}

async function measure(directory: string): Promise<MetricFamily[]> {
  const path = join(directory, `disk-probe-${process.pid}`);
  const file = await open(path, 'w', 0o600);
  const seconds: number[] = [];
  try {
    const block = Buffer.alloc(BLOCK_BYTES, 1);
    const began = performance.now();
    for (let at = 0; at < WRITES && performance.now() - began < LAST_WRITE_AFTER_MS; at++) {
      const from = performance.now();
      await file.write(block, 0, block.length, at * BLOCK_BYTES);
      await file.datasync();
      seconds.push((performance.now() - from) / 1000);
    }
  } finally {
    await file.close();
    await unlink(path);
  }
  seconds.sort((a, b) => a - b);
  const [median, longest] = [seconds[seconds.length >> 1] ?? 0, seconds.at(-1) ?? 0];
  return [
    gauge('hexad_disk_probe_seconds', 'Write and fdatasync of 4 KiB beside the WAL, measured when asked for.', [
      [{ quantile: '0.5' }, median],
      [{ quantile: '1' }, longest],
    ]),
  ];
}
