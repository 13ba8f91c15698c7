import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENGINE_CONFORMANCE, type EngineRig } from '../mvcc';
import { LmdbEngine } from './lmdb-engine';

// A crash of the process can't happen within one; crash.test.ts has real ones. Here the file is opened again.
describe('the LMDB engine', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hexad-engine-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  test.each(ENGINE_CONFORMANCE.map((entry) => [entry.name, entry] as const))('%s', async (_name, entry) => {
    const file = join(directory, 'db');
    const rig: EngineRig = {
      engine: new LmdbEngine(file),
      crash: async () => {
        await rig.engine.close();
        rig.engine = new LmdbEngine(file);
      },
    };
    await entry.run(rig);
    await rig.engine.close();
  });
});
