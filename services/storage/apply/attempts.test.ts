import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EntryKind, encodeEntry, type LogEntry, LogEntryType } from '../../../proto/gen/hexad';
import { MachineRig } from '../testing/machine-rig';
import { ApplyLoop } from './apply-loop';
import { ApplyAttempts, ATTEMPTS_MAX } from './attempts';
import type { StateMachine } from './machine';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'attempts-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const entry = (index: number): LogEntry => ({
  term: 1,
  index,
  type: LogEntryType.LOG_NORMAL,
  data: encodeEntry({ kind: EntryKind.ENTRY_NOOP }),
});

/** One life of the process: applies 1 to 9 and "dies" at entry 5 while that is poison. Gives where it got. */
function live(poison: boolean): { applied: number; haltedAt: number | undefined; died: boolean } {
  const rig = new MachineRig();
  const attempts = new ApplyAttempts(directory);
  let haltedAt: number | undefined;
  const machine = {
    apply(each: LogEntry): void {
      if (poison && each.index === 5) throw new Error('died');
      rig.applyLogEntry(each);
    },
  } as unknown as StateMachine; // the only method the loop calls
  const loop = new ApplyLoop(rig.store, machine, attempts, {
    onSlice: () => undefined,
    onHalt: (index) => {
      haltedAt = index;
    },
    fatal: (error) => {
      throw error;
    },
  });
  let died = false;
  try {
    for (let i = 1; i <= 9; i += 3) {
      loop.push([entry(i), entry(i + 1), entry(i + 2)]);
      jest.runAllTimers();
    }
  } catch {
    died = true;
  }
  attempts.close();
  return { applied: rig.store.applied.index, haltedAt, died };
}

describe('an entry that kills the process', () => {
  // Fake timers, so that the turns of the event loop that applying one by one takes run when the test says so.
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['performance'] }));
  afterEach(() => jest.useRealTimers());

  it('is blamed alone and stops apply before it after three deaths', () => {
    let deaths = 0;
    let life = live(true);
    while (life.died) {
      deaths++;
      expect(deaths).toBeLessThan(10);
      life = live(true);
    }
    expect(deaths).toBe(1 + ATTEMPTS_MAX);
    expect(life).toEqual({ applied: 4, haltedAt: 5, died: false });
  });

  it('is forgiven when it does no harm the next time', () => {
    expect(live(true).died).toBe(true);
    expect(live(false)).toEqual({ applied: 9, haltedAt: undefined, died: false });
    expect(live(false)).toEqual({ applied: 9, haltedAt: undefined, died: false });
  });
});
