import { type EngineRig, ENGINE_CONFORMANCE } from './engine-conformance';
import { SimulatedDisk } from './simulated-engine';

describe('the simulated engine', () => {
  test.each(ENGINE_CONFORMANCE.map((entry) => [entry.name, entry] as const))('%s', async (_name, entry) => {
    const disk = new SimulatedDisk();
    const rig: EngineRig = {
      engine: disk.open(),
      crash: () => {
        disk.crash();
        rig.engine = disk.open();
        return Promise.resolve();
      },
    };
    await entry.run(rig);
  });

  test('loses a commit that was not synced when it crashes', async () => {
    const disk = new SimulatedDisk();
    disk.autoSync = false;
    const engine = disk.open();
    const batch = engine.batch();
    batch.put(0, Uint8Array.of(1), Uint8Array.of(1));
    void batch.commit();
    expect(engine.get(0, Uint8Array.of(1))).toEqual(Uint8Array.of(1));
    disk.crash();
    expect(disk.open().get(0, Uint8Array.of(1))).toBeUndefined();
    await Promise.resolve();
  });
});
