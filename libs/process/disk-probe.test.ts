import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { probeDisk } from './disk-probe';

test('a probe tells what a write takes, leaves nothing behind, and is not made twice at a time', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'hexad-probe-'));
  try {
    const [first, second] = [probeDisk(directory), probeDisk(directory)];
    expect(second).toBe(first);
    const [family] = await first;
    const [median, longest] = (family?.samples ?? []).map(({ value }) => value);
    expect(median).toBeGreaterThan(0);
    expect(longest).toBeGreaterThanOrEqual(median ?? 0);
    expect(readdirSync(directory)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
  await expect(probeDisk(join(directory, 'gone'))).rejects.toThrow('ENOENT');
});
