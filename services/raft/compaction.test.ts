import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './testing/ports';
import { testConfig } from './testing/process-config';
import { RaftProcess } from './testing/raft-process';
import { Siblings } from './testing/siblings';

jest.setTimeout(60_000);

let directory: string;
let raft: RaftProcess;
let siblings: Siblings;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hexad-raft-'));
  const config = testConfig(directory, await freePorts(1), 0);
  const limits = { ...config.limits, walSegmentBytes: 16 * 1024, snapshotCatchupEntries: 0 };
  raft = new RaftProcess({ ...config, limits });
  await raft.start();
  siblings = new Siblings(raft.config, 7);
  await siblings.until('a leader', () => siblings.isUp && siblings.status?.leaderId !== 0n);
});

afterEach(async () => {
  siblings.close();
  await raft.kill();
  rmSync(directory, { recursive: true });
});

function segments(): string[] {
  return readdirSync(raft.config.paths.walDir).filter((name) => name.endsWith('.wal'));
}

async function put(count: number): Promise<void> {
  const before = siblings.values().length;
  for (let i = 0; i < count; i += 1) siblings.put(['x'.repeat(1000)]);
  await siblings.until('entries', () => siblings.values().length === before + count);
}

test('old segments go once storage has their entries on disk, and the member starts again from what is left', async () => {
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 10; i += 1) await put(20);
    await siblings.until(
      'segments to go',
      () => !segments().includes(`${String(1 + 5 * round).padStart(16, '0')}.wal`),
    );
    await raft.kill();
    await raft.start();
    await siblings.until('the member to be back', () => siblings.isUp && siblings.status?.leaderId !== 0n);
  }
  expect(segments().length).toBeLessThan(8);
  await put(1);
  // Who the members are is kept, though the entries that said so are gone.
  expect(existsSync(join(raft.config.paths.memberDir, 'members'))).toBe(true);
  expect(siblings.status?.voters).toHaveLength(1);
});

test('a store that lacks what the log no longer has is refused, with what to do', async () => {
  for (let i = 0; i < 10; i += 1) await put(20);
  await siblings.until('segments to go', () => !segments().includes('0000000000000001.wal'));
  siblings.close();
  siblings = new Siblings(raft.config, 8);
  expect(await raft.exited()).toBe(3);
  expect(raft.log).toMatch(/the store has applied entry 0 but the WAL begins at entry \d+: .*remove this member/);
});
