import { execFile } from 'node:child_process';
import { resolve } from 'node:path';

// The built simulator, in processes of its own: it replaces timers and clocks. `npm run build` makes it.
const MAIN = resolve(__dirname, '../../dist/tests/simulation/main.js');
const MINUTES_5 = 300_000;

interface Run {
  readonly code: number;
  readonly output: string;
}

function simulate(...given: readonly string[]): Promise<Run> {
  return new Promise((done) => {
    execFile(process.execPath, [MAIN, ...given], { maxBuffer: 1 << 26 }, (error, stdout) => {
      done({ code: error === null ? 0 : Number(error.code), output: stdout });
    });
  });
}

/** What CI runs; 3 minutes at most on two processors that do nothing else. */
const SEEDS = 200;
const DEFECT = 'wins an election with one vote';

describe('the simulation', () => {
  it('runs a seed the same way every time', async () => {
    const [first, again, other] = await Promise.all([
      simulate('--seed', '7'),
      simulate('--seed', '7'),
      simulate('--seed', '8'),
    ]);
    expect(first.code).toBe(0);
    expect(first.output).toMatch(/trace [0-9a-f]{16}/);
    expect(again.output).toBe(first.output);
    expect(other.output).not.toBe(first.output);
  }, 60_000);

  it('keeps every property through 200 seeds of ten simulated minutes under faults, and goes on once healed', async () => {
    const { code, output } = await simulate('--seeds', String(SEEDS), '--seed', '1');
    expect(output).toContain('all passed');
    expect(code).toBe(0);
    const total = (name: string): number => Number(new RegExp(`\\b${name} (\\d+)`).exec(output)?.[1] ?? 0);
    expect(total('operations')).toBeGreaterThanOrEqual(SEEDS * 2_000);
    expect(total('faults')).toBeGreaterThanOrEqual(SEEDS * 20);
    // What does not happen is not tested.
    for (const name of [
      'confChanges',
      'upgraded',
      'newerEntries',
      'power cut',
      'partition',
      'bit flipped in the WAL',
      'compacted',
      'progress',
    ]) {
      expect(`${name} ${total(name) > 0 ? 'happened' : 'did not happen'}`).toBe(`${name} happened`);
    }
    const [, seconds = ''] = /all passed in ([\d.]+) s/.exec(output) ?? [];
    console.info(`${SEEDS} seeds in ${seconds} s`);
  }, 900_000);

  it('prints, with the first violation, the one command that shows it again', async () => {
    const { code, output } = await simulate('--seeds', '3', '--workers', '1', '--defect', DEFECT);
    expect(code).toBe(1);
    const [, seed = ''] = /reproduce: npm run simulate -- --seed (\d+) --defect/.exec(output) ?? [];
    const again = await simulate('--seed', seed, '--defect', DEFECT);
    expect(again.code).toBe(1);
    expect(again.output).toBe(output);
  }, 60_000);

  it(
    'catches every planted defect (canaries)',
    async () => {
      const { code, output } = await simulate('--canaries');
      expect(output).not.toContain('missed');
      expect(code).toBe(0);
    },
    MINUTES_5,
  );

  it('refuses arguments that make no sense', async () => {
    const { code } = await simulate('--seeds', 'many');
    expect(code).toBe(2);
  });
});
