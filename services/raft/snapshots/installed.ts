import { failpoint } from '../../../libs/failpoints';
import type { ConfState, RaftCore, SnapshotMetadata } from '../../../libs/raft';
import type { StoreSnapshot } from '../../../proto/gen/hexad';
import type { MemberBook } from '../conf-changes';
import type { MembersFile } from '../members-file';

const beforeSaveSnap = failpoint('raftBeforeSaveSnap');
const beforeWalSave = failpoint('raftBeforeWALSaveSnaphot');
const beforeApplySnap = failpoint('raftBeforeApplySnap');
const afterApplySnap = failpoint('raftAfterApplySnap');

export interface InstalledOptions {
  readonly core: RaftCore;
  readonly book: MemberBook;
  readonly membersFile: MembersFile;
  /** The log was replaced: there is work for the core's next turn. */
  readonly onReplaced: (conf: ConfState) => void;
  readonly schedule: () => void;
}

/** Lets the log follow a store that came from another member: who is in it first, then the WAL's record, then the rest. */
export class InstalledSnapshots {
  constructor(private readonly options: InstalledOptions) {}

  /** True once the WAL says what the store stands for; ask again until it does. */
  record(snapshot: StoreSnapshot): boolean {
    const { core, book, membersFile, onReplaced, schedule } = this.options;
    if (snapshot.index <= core.commit) {
      if (core.persistedIndex < snapshot.index) return false;
      beforeApplySnap.reach();
      membersFile.settle(snapshot.index);
      afterApplySnap.reach();
      return true;
    }
    beforeSaveSnap.reach();
    membersFile.prepare(snapshot);
    beforeWalSave.reach();
    const metadata = metadataOf(snapshot);
    if (core.installSnapshot(metadata)) {
      book.restore(snapshot);
      onReplaced(metadata);
    } else membersFile.settle(0);
    schedule();
    return false;
  }
}

/** Members vote unless they are learners; a change that takes two entries is never in force in between. */
function metadataOf({ index, term, members }: StoreSnapshot): SnapshotMetadata {
  const ids = (isLearner: boolean): bigint[] =>
    members
      .filter((member) => member.isLearner === isLearner)
      .map(({ id }) => id)
      .sort((a, b) => (a < b ? -1 : 1));
  return { index, term, voters: ids(false), votersOutgoing: [], learners: ids(true), learnersNext: [] };
}
