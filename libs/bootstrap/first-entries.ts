import { EntryType, type LogEntry } from '../raft';
import type { WalBootstrap } from '../wal';
import { ConfChangeType, encodeConfChange } from '../../proto/gen/hexad';

export interface InitialMember {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** The entries that every initial member's log begins with: the same bytes everywhere, term 1, index 1 to n. */
export function bootstrapEntries(members: readonly InitialMember[]): LogEntry[] {
  return members.map(({ id, name, peerUrls }, position) => ({
    term: 1,
    index: position + 1,
    type: EntryType.Conf,
    data: encodeConfChange({ type: ConfChangeType.CONF_ADD_VOTER, nodeId: id, name, peerUrls: [...peerUrls].sort() }),
  }));
}

/** What the WAL of an initial member begins with. `members` are sorted by id. */
export function walBootstrap(members: readonly InitialMember[]): WalBootstrap {
  const entries = bootstrapEntries(members);
  return {
    entries,
    hardState: { term: 1, vote: 0n, commit: entries.length },
    configuration: {
      index: entries.length,
      conf: { voters: members.map(({ id }) => id), votersOutgoing: [], learners: [], learnersNext: [] },
    },
  };
}
