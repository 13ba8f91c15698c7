import type { RaftCore } from '../../../libs/raft';
import type { Checker } from '../cluster/observer';
import { Violation } from '../cluster/violation';

/** At most one leader in a term. */
export class ElectionSafety implements Checker {
  private readonly leaders = new Map<number, string>();

  elected(member: string, { term }: RaftCore): void {
    const other = this.leaders.get(term);
    if (other !== undefined && other !== member) {
      throw new Violation('election safety', `${other} and ${member} both lead term ${term}`);
    }
    this.leaders.set(term, member);
  }
}
