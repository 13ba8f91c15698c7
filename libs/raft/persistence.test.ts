import { Persistence } from './persistence';
import { Unstable } from './unstable';
import type { LogEntry } from './types';

const entry = (index: number, term: number): LogEntry => ({ index, term, type: 0, data: new Uint8Array(0) });

describe('asynchronous persistence', () => {
  it('is not fooled by an entry that is cut off and written again while its first write is under way', () => {
    const persistence = new Persistence({ term: 2, vote: 0n, commit: 0 });
    const unstable = new Unstable(5);
    const write = (entries: LogEntry[]): number => {
      unstable.append(entries);
      unstable.handOver();
      persistence.begin(unstable.lastIndex, 0);
      return persistence.number++;
    };
    const first = write([entry(5, 2), entry(6, 2)]);
    unstable.truncateFrom(5);
    persistence.truncatedFrom(5);
    write([entry(5, 3)]);
    unstable.truncateFrom(5);
    persistence.truncatedFrom(5);
    const last = write([entry(5, 2), entry(6, 2)]);

    // Index 6 of term 2 is in the log and its first write is synced, but on disk 5 of term 3 may follow.
    unstable.stableTo(persistence.finish(first)?.lastIndex ?? 0);
    expect(unstable.offset).toBe(5);
    unstable.stableTo(persistence.finish(last)?.lastIndex ?? 0);
    expect(unstable.offset).toBe(7);
  });
});
