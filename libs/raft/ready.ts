import { invariant } from './invariant';
import { beginReadRound } from './leader-reads';
import { sendAppends, sendHeartbeats } from './replication';
import type { RaftState } from './state';
import type { HardState, LogEntry, Ready, SoftState } from './types';
import { EntryType } from './types';

/** Collects what has come up since the last Ready. Appends and heartbeats are made only here: one for a whole batch. */
export class ReadyBuilder {
  private givenSoft: SoftState;

  constructor(private readonly state: RaftState) {
    const { leader, role, term } = state;
    this.givenSoft = { leader, role, term };
  }

  /** undefined: there is nothing to do. */
  take(): Ready | undefined {
    const { state } = this;
    invariant(
      state.deliveredConfIndex <= state.confIndex,
      () => `configuration entry ${state.deliveredConfIndex} was delivered but not applied`,
    );
    if (state.isLeader) sendAsLeader(state);
    const softState = this.changedSoftState();
    return hasWork(state, softState) ? build(state, softState) : undefined;
  }

  private changedSoftState(): SoftState | undefined {
    const { leader, role, term } = this.state;
    const { givenSoft } = this;
    if (givenSoft.leader === leader && givenSoft.role === role && givenSoft.term === term) return undefined;
    this.givenSoft = { leader, role, term };
    return this.givenSoft;
  }
}

function sendAsLeader(state: RaftState): void {
  sendAppends(state);
  const roundBegun = beginReadRound(state);
  if (!roundBegun && !state.heartbeatDue) return;
  state.heartbeatDue = false;
  sendHeartbeats(state);
}

function hasWork(state: RaftState, softState: SoftState | undefined): boolean {
  const { log, persistence, outbox } = state;
  return (
    softState !== undefined ||
    log.unstable.hasNew ||
    log.hasDeliverable ||
    !outbox.isEmpty ||
    state.readStates.length > 0 ||
    state.droppedReads.length > 0 ||
    state.snapshotToGive !== undefined ||
    persistence.commitChanged(log.commit) ||
    persistence.voteChanged(state.term, state.vote)
  );
}

function build(state: RaftState, softState: SoftState | undefined): Ready {
  const { log, persistence } = state;
  persistence.number++;
  const snapshot = state.snapshotToGive;
  state.snapshotToGive = undefined;
  const entriesToPersist = log.unstable.handOver();
  const voteChanged = persistence.voteChanged(state.term, state.vote);
  const confCommitted = hasUnsyncedConfCommit(state);
  const mustSync =
    voteChanged ||
    entriesToPersist.length > 0 ||
    snapshot !== undefined ||
    (confCommitted && !persistence.isCommitGiven(state.pendingConfIndex));
  const hardState = changedHardState(state, voteChanged);
  if (mustSync) persistence.begin(log.lastIndex, snapshot?.index ?? 0);
  // Everything a message says depends on its term, so until term and vote are synced nothing leaves at all.
  const holdAll = confCommitted || !persistence.isVoteSynced(state.term, state.vote);
  const { messages, messagesAfterPersist } = state.outbox.take(holdAll, persistence.idle);
  return {
    number: persistence.number,
    hardState,
    mustSync,
    entriesToPersist,
    snapshot,
    messages,
    messagesAfterPersist,
    committed: takeCommitted(state),
    readStates: state.readStates.splice(0),
    droppedReads: state.droppedReads.splice(0),
    softState,
  };
}

/**
 * A leader tells nobody that a configuration entry is committed before it has that on disk itself: a member that learns of
 * its removal shuts down, and a leader that then forgets it in a power cut would for ever wait for that member's vote.
 */
function hasUnsyncedConfCommit({ isLeader, pendingConfIndex, log, persistence }: RaftState): boolean {
  return isLeader && log.commit >= pendingConfIndex && !persistence.isCommitSynced(pendingConfIndex);
}

function changedHardState(state: RaftState, voteChanged: boolean): HardState | undefined {
  const { term, vote, log, persistence } = state;
  if (!voteChanged && !persistence.commitChanged(log.commit)) return undefined;
  const hardState = { term, vote, commit: log.commit };
  persistence.give(hardState);
  return hardState;
}

function takeCommitted(state: RaftState): LogEntry[] {
  const committed = state.log.takeCommitted(state.config.maxCommittedBytes);
  for (const entry of committed) {
    if (entry.type === EntryType.Conf && entry.index > state.confIndex) state.deliveredConfIndex = entry.index;
  }
  return committed;
}
