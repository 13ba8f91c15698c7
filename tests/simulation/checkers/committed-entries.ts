import { crc32 } from 'node:zlib';
import type { LogEntry } from '../../../libs/raft';
import type { Checker } from '../cluster/observer';
import { Violation } from '../cluster/violation';

export interface Committed {
  readonly term: number;
  readonly crc: number;
}

/** What is committed at an index is the same for everyone, for ever. */
export class CommittedEntries implements Checker {
  /** By index. */
  readonly entries: (Committed | undefined)[] = [];
  highest = 0;

  delivered(member: string, { index, term, data }: LogEntry): void {
    const known = this.entries[index];
    const crc = crc32(data);
    if (known === undefined) {
      this.entries[index] = { term, crc };
      this.highest = Math.max(this.highest, index);
    } else if (known.term !== term || known.crc !== crc) {
      const text = `${member} has committed entry ${index} of term ${term}, others one of term ${known.term}`;
      throw new Violation('state machine safety', text);
    }
  }
}
