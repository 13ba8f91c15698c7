import { rmSync } from 'node:fs';
import { describeWith } from '../system/support/tools';
import { buildDiskLibrary } from './disk/library';
import { runPowerCuts } from './power-cuts';

const KILLS = 10;

describeWith(['cc'], 'a member that is killed under write load, with the power cut', () => {
  test(`loses no acknowledged write and starts again, ${KILLS} times`, async () => {
    const result = await runPowerCuts({ library: buildDiskLibrary() ?? '', seed: Date.now() % 1e6, kills: KILLS });
    expect(result.problems).toEqual([]);
    expect(result.kills).toBe(KILLS);
    expect(result.cuts).toBeGreaterThan(0);
    expect(result.acknowledged).toBeGreaterThan(100);
    // The trial sees what it is about: the log, and the pages of the store (a store that wrote through a map would escape it).
    expect([...result.written]).toEqual(expect.arrayContaining(['db', 'prepare.tmp']));
  }, 180_000);

  test('is found to have lost something when the disk did not do what it had confirmed', async () => {
    const result = await runPowerCuts({ library: buildDiskLibrary() ?? '', seed: 1, kills: KILLS, syncsLie: true });
    expect(result.problems).not.toEqual([]);
    for (const ending of ['', '.image', '.last-journal']) {
      rmSync(`${result.artefacts}${ending}`, { recursive: true, force: true });
    }
  }, 180_000);
});
