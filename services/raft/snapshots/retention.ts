import { failpoint } from '../../../libs/failpoints';
import type { Logger } from '../../../libs/process';
import type { NodeId, RaftCore } from '../../../libs/raft';
import type { Wal } from '../../../libs/wal';
import type { MemberBook } from '../conf-changes';
import type { RaftLimits } from '../config';
import type { MembersFile } from '../members-file';

const beforeSaveMembers = failpoint('raftBeforeSaveMembers');
const afterSaveMembers = failpoint('raftAfterSaveMembers');
const beforeRelease = failpoint('raftBeforeWALRelease');

export interface RetentionOptions {
  readonly core: RaftCore;
  readonly wal: Wal;
  readonly book: MemberBook;
  readonly membersFile: MembersFile;
  readonly limits: RaftLimits;
  readonly logger: Logger;
  /** Up to where storage has everything on disk; 0: not known. */
  readonly durableIndex: () => number;
  /** Up to where configuration entries are in force here. */
  readonly takenIndex: () => number;
  /** A member that is being sent the store needs the log from here on. */
  readonly keepFrom: () => number | undefined;
  readonly isConnected: (id: NodeId) => boolean;
}

/** Decides how much of the log is kept: what storage could lose, and some for followers that are behind. */
export class LogRetention {
  constructor(private readonly options: RetentionOptions) {}

  /** Lets old segments go if there are some to spare. Cheap when there are none. */
  tick(): void {
    const { wal, book, membersFile, logger } = this.options;
    wal.prepareAgain();
    const target = this.target();
    const first = target <= wal.firstIndex ? undefined : wal.firstIndexAfterCompaction(target);
    if (first === undefined) return;
    if (book.index > membersFile.index) {
      // The file must not be ahead of the WAL's own record of the configuration.
      if (book.index > wal.syncedConfiguration) return;
      beforeSaveMembers.reach();
      membersFile.save(book);
      afterSaveMembers.reach();
    }
    beforeRelease.reach();
    wal.compact(target);
    logger.info({ 'first-index': wal.firstIndex, 'durable-index': this.options.durableIndex() }, 'compacted Raft logs');
  }

  /** True while no more entries should be taken: the disk is full, or storage is away and too much waits for it. */
  get isFull(): boolean {
    const { wal, limits, durableIndex } = this.options;
    return wal.isShort || (durableIndex() === 0 && wal.bytesOnDisk > limits.walUnappliedBytes);
  }

  /** The last index that need not be kept. */
  private target(): number {
    const { core, wal, limits, durableIndex, takenIndex, keepFrom, isConnected } = this.options;
    const durable = Math.min(durableIndex(), takenIndex());
    const target = durable - limits.walKeepEntries;
    if (wal.bytesOnDisk > limits.walKeepBytes) return target;
    let needed = Math.min(target, (keepFrom() ?? Number.POSITIVE_INFINITY) - 1);
    for (const { id, match } of core.progress())
      if (id !== core.id && isConnected(id)) needed = Math.min(needed, match);
    return needed;
  }
}
