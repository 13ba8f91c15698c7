import type { LogEntry, LogIndex, Message, NodeId, ReadState, Term } from '../types';
import { MessageType } from '../types';
import { toText } from './conf-text';
import type { SimNode } from './sim-node';

/** What a checker throws: the property's name first. */
export class Violation extends Error {
  constructor(
    readonly property: string,
    text: string,
  ) {
    super(`${property}: ${text}`);
  }
}

/** At most one leader in a term. */
export class ElectionSafety {
  private readonly leaders = new Map<Term, NodeId>();

  leads(id: NodeId, term: Term): void {
    const other = this.leaders.get(term);
    if (other !== undefined && other !== id) throw new Violation('election safety', `${other} and ${id} in ${term}`);
    this.leaders.set(term, id);
  }
}

/** A member gives one vote in a term, crash or not. */
export class OneVote {
  private readonly votes = new Map<string, NodeId>();

  sent(message: Message): void {
    if (message.type !== MessageType.VoteReply || message.reject) return;
    const key = `${message.from} in ${message.term}`;
    const other = this.votes.get(key);
    if (other !== undefined && other !== message.to) throw new Violation('one vote', `${key}: ${other}, ${message.to}`);
    this.votes.set(key, message.to);
  }
}

/** What a message promises is on disk when it leaves: its term, and the entries that it acknowledges. */
export class DurablePromises {
  sent(node: SimNode, message: Message): void {
    const { hardState, log, store } = node.disk;
    // Pre-votes speak of the asker's term or one that nobody is in.
    const isPreVote = message.type === MessageType.PreVote || message.type === MessageType.PreVoteReply;
    const claimed = isPreVote ? 0 : message.term;
    if (claimed > hardState.term)
      throw new Violation('durable promises', `term ${claimed} of ${node.id} is not synced`);
    if (message.type !== MessageType.AppendReply || message.reject) return;
    if (message.index > Math.max(log.lastIndex, store.applied)) {
      throw new Violation('durable promises', `${node.id} acknowledged ${message.index}, synced ${log.lastIndex}`);
    }
  }
}

/** What one member applies at an index, every member applies there, and none leaves an index out. */
export class StateMachineSafety {
  readonly committed = new Map<LogIndex, LogEntry>();
  highest: LogIndex = 0;

  applied(node: SimNode, entry: LogEntry, previous: LogIndex): void {
    if (entry.index !== previous + 1) {
      throw new Violation('state machine safety', `${node.id} applied ${entry.index} after ${previous}`);
    }
    const known = this.committed.get(entry.index);
    if (known !== undefined && !sameEntry(known, entry)) {
      throw new Violation('state machine safety', `${node.id} applied another entry at ${entry.index}`);
    }
    this.committed.set(entry.index, entry);
    this.highest = Math.max(this.highest, entry.index);
  }
}

/** Who becomes leader holds every entry that was committed in earlier terms. */
export class LeaderCompleteness {
  constructor(private readonly safety: StateMachineSafety) {}

  leads(node: SimNode, term: Term): void {
    for (let index = node.storage.firstIndex; index <= this.safety.highest; index++) {
      const committed = this.safety.committed.get(index);
      if (committed === undefined || committed.term >= term) continue;
      if (node.storage.term(index) !== committed.term) {
        throw new Violation('leader completeness', `${node.id} leads ${term} without ${index}@${committed.term}`);
      }
    }
  }
}

/** If two logs hold the same (index, term), they are equal up to there. */
export function checkLogMatching(nodes: readonly SimNode[]): void {
  for (const a of nodes) for (const b of nodes) if (a.id < b.id) checkPair(a, b);
}

function checkPair(a: SimNode, b: SimNode): void {
  const low = Math.max(a.storage.firstIndex, b.storage.firstIndex);
  let matching = false;
  for (let index = Math.min(a.storage.lastIndex, b.storage.lastIndex); index >= low; index--) {
    matching ||= a.storage.term(index) === b.storage.term(index);
    if (matching && !sameEntry(entryAt(a, index), entryAt(b, index))) {
      throw new Violation('log matching', `${a.id} and ${b.id} differ at ${index} but not behind it`);
    }
  }
}

function entryAt(node: SimNode, index: LogIndex): LogEntry {
  return node.storage.at(index) as LogEntry;
}

function sameEntry(a: LogEntry, b: LogEntry): boolean {
  return a.term === b.term && a.type === b.type && toText(a.data) === toText(b.data);
}

/** A read sees everything that anyone had applied when it was asked for. */
export class ReadFreshness {
  private readonly askedAt = new Map<number, LogIndex>();
  answered = 0;

  asked(context: number, highestApplied: LogIndex): void {
    this.askedAt.set(context, highestApplied);
  }

  answer({ context, index }: ReadState): void {
    const least = this.askedAt.get(context);
    if (least === undefined) throw new Violation('read freshness', `read ${context} was answered and not asked`);
    if (index < least)
      throw new Violation('read freshness', `read ${context} at ${index}, ${least} was applied before`);
    this.answered++;
    this.askedAt.delete(context);
  }
}
