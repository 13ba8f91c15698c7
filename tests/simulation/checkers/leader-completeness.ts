import type { RaftCore } from '../../../libs/raft';
import type { Checker } from '../cluster/observer';
import { Violation } from '../cluster/violation';
import type { CommittedEntries } from './committed-entries';
import { insides } from './insides';

/** Older entries were looked at when earlier leaders were elected. */
const ENTRIES_MAX = 500;

/** Who is elected holds every entry that was committed before. */
export class LeaderCompleteness implements Checker {
  constructor(private readonly committed: CommittedEntries) {}

  elected(member: string, core: RaftCore): void {
    const { log } = insides(core);
    const { entries, highest } = this.committed;
    for (let index = highest; index > Math.max(0, highest - ENTRIES_MAX); index--) {
      const known = entries[index];
      if (known === undefined || known.term >= core.term || index < log.firstIndex) continue;
      if (log.term(index) === known.term) continue;
      const text = `${member} leads term ${core.term} without entry ${index} of term ${known.term}`;
      throw new Violation('leader completeness', text);
    }
  }
}
