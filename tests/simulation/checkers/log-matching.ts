import { crc32 } from 'node:zlib';
import type { LogEntry } from '../../../libs/raft';
import type { Checker, RaftStarted } from '../cluster/observer';
import { Violation } from '../cluster/violation';

interface Row {
  readonly term: number;
  /** undefined: not known, since the entry came back from disk. */
  readonly crc: number | undefined;
}

/** Entries below a match that are compared each time: what is deeper was compared before. */
const DEPTH = 200;

/** If two logs hold an entry of the same index and term, they are equal up to there. */
export class LogMatching implements Checker {
  /** What each member has handed to its WAL, by index. */
  private readonly logs = new Map<string, (Row | undefined)[]>();

  raftStarted({ member, wal }: RaftStarted): void {
    const before = this.logs.get(member) ?? [];
    const rows: (Row | undefined)[] = [];
    for (let index = wal.firstIndex; index <= wal.lastIndex; index++) {
      const term = wal.term(index) as number; // within the log
      const known = before[index];
      rows[index] = known?.term === term ? known : { term, crc: undefined };
    }
    this.logs.set(member, rows);
  }

  appended(member: string, entries: readonly LogEntry[]): void {
    const rows = this.logs.get(member);
    const [first] = entries;
    if (rows === undefined || first === undefined) return;
    rows.length = Math.min(rows.length, first.index);
    for (const { index, term, data } of entries) rows[index] = { term, crc: crc32(data) };
  }

  logReplaced(member: string): void {
    this.logs.set(member, []);
  }

  inspect(): void {
    const logs = [...this.logs];
    logs.forEach(([a, left], i) => {
      for (const [b, right] of logs.slice(i + 1)) this.compare(a, left, b, right);
    });
  }

  private compare(a: string, left: readonly (Row | undefined)[], b: string, right: readonly (Row | undefined)[]): void {
    let index = Math.min(left.length, right.length) - 1;
    while (index > 0 && (left[index] === undefined || left[index]?.term !== right[index]?.term)) index--;
    for (const end = Math.max(0, index - DEPTH); index > end; index--) {
      const one = left[index];
      const other = right[index];
      if (one === undefined || other === undefined) continue;
      const differs = one.crc !== undefined && other.crc !== undefined && one.crc !== other.crc;
      if (one.term === other.term && !differs) continue;
      throw new Violation('log matching', `${a} and ${b} differ at ${index} but not behind it`);
    }
  }
}
