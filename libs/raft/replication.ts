import { entriesBytes } from './entry-size';
import { invariant } from './invariant';
import type { Progress } from './progress';
import { advanceReads } from './leader-reads';
import { COMMIT_ONLY } from './messages';
import { becomeFollower, followLeader } from './roles';
import type { RaftState } from './state';
import type { LogEntry, LogIndex, Message, NodeId, SnapshotMetadata } from './types';
import { MessageType, NO_NODE } from './types';

// Replication: appends, heartbeats, snapshots and their answers, on both sides.

// ---- leader ----

/** Sends every follower what it may be sent now: one append per follower for all that was proposed since the last time. */
export function sendAppends(state: RaftState): void {
  for (const progress of state.members.peers) {
    while (maybeSendAppend(state, progress)) {
      // Each message moves `next` or fills the window, so this ends.
    }
  }
}

/** Sends one append if there is a reason to and nothing forbids it. */
function maybeSendAppend(state: RaftState, progress: Progress): boolean {
  const { log, config } = state;
  if (progress.state === 'snapshot' || (progress.state === 'probe' && progress.probePaused)) return false;
  if (progress.waitingForEntries && !progress.appendDue) return false;
  const prevIndex = progress.next - 1;
  const prevTerm = log.term(prevIndex);
  if (prevTerm === undefined || progress.next < log.firstIndex) return maybeSendSnapshot(state, progress);

  const entries = nextEntries(state, progress, config.maxMessageBytes);
  const commit = Math.min(log.commit, prevIndex + entries.length);
  // While the window is full the commit index travels with heartbeats: nothing unbounded is sent to who does not answer.
  if (entries.length === 0 && !progress.appendDue && (progress.paused || commit <= progress.sentCommit)) return false;

  const message = state.message(MessageType.Append, progress.id);
  message.index = prevIndex;
  message.logTerm = prevTerm;
  message.entries = entries;
  message.commit = log.commit;
  if (entries.length === 0 && !progress.appendDue && progress.state === 'replicate') message.context = COMMIT_ONLY;
  state.outbox.send(message);
  noteAppendSent(progress, entries, commit);
  return true;
}

function nextEntries(state: RaftState, progress: Progress, maxBytes: number): LogEntry[] {
  const { log } = state;
  if (progress.next > log.lastIndex || progress.paused || progress.waitingForEntries) return [];
  const entries = log.entries(progress.next, log.lastIndex + 1, maxBytes);
  if (entries !== undefined) return entries;
  progress.waitingForEntries = true;
  return [];
}

function noteAppendSent(progress: Progress, entries: readonly LogEntry[], commit: LogIndex): void {
  progress.appendDue = false;
  progress.sentCommit = Math.max(progress.sentCommit, commit);
  if (progress.state === 'probe') {
    progress.probePaused = true;
  } else if (entries.length > 0) {
    progress.next += entries.length;
    progress.inflights.add(progress.next - 1, entriesBytes(entries));
  }
}

/** The log no longer has what this follower needs. Only one that answers is sent a snapshot: it is much work. */
function maybeSendSnapshot(state: RaftState, progress: Progress): false {
  if (!progress.recentlyActive) return false;
  const message = state.message(MessageType.Snapshot, progress.id);
  message.index = state.log.commit;
  state.outbox.send(message);
  progress.becomeSnapshot(state.log.commit);
  return false;
}

/** A heartbeat to everyone, carrying the number of the last read round. */
export function sendHeartbeats(state: RaftState): void {
  for (const progress of state.members.peers) {
    const message = state.message(MessageType.Heartbeat, progress.id);
    // A follower may hold other entries above what it is known to match: it must not commit those.
    message.commit = Math.min(progress.match, state.log.commit);
    message.context = state.reads.lastRound;
    message.contextNonce = state.config.nonce;
    state.outbox.send(message);
  }
}

/** Commits what a quorum has synced, if it is of this term (raft paper, section 5.4.2). */
export function maybeCommit(state: RaftState): void {
  const { log, members } = state;
  const reached = members.matchedByQuorum();
  if (reached <= log.commit || reached < state.termStart || reached === Infinity) return;
  log.commitTo(reached);
  state.uncommitted.committedTo(reached);
}

export function handleAppendReply(state: RaftState, progress: Progress, message: Message): void {
  progress.recentlyActive = true;
  if (message.reject) handleRefusal(state, progress, message);
  else handleAcknowledgement(state, progress, message);
}

function handleRefusal(state: RaftState, progress: Progress, message: Message): void {
  const hint =
    message.logTerm > 0 ? state.log.conflictHint(message.rejectHint, message.logTerm).index : message.rejectHint;
  if (!progress.maybeRetreat(message.index, hint)) return;
  if (progress.state !== 'replicate') return;
  progress.becomeProbe();
}

function handleAcknowledgement(state: RaftState, progress: Progress, message: Message): void {
  // Nobody can hold more of this term's log than its leader: such a reply is not to be believed.
  if (message.index > state.log.lastIndex) return;
  const advanced = progress.maybeAdvance(message.index);
  if (!advanced && !(progress.state === 'probe' && message.index === progress.match)) return;
  switch (progress.state) {
    case 'probe':
      progress.becomeReplicate();
      break;
    case 'snapshot':
      if (progress.match + 1 >= state.log.firstIndex) progress.becomeReplicate();
      break;
    case 'replicate':
      progress.inflights.freeTo(message.index);
      break;
  }
  maybeCommit(state);
  if (progress.id === state.transferee) maybeSendTimeoutNow(state, progress);
}

export function handleHeartbeatReply(state: RaftState, progress: Progress, message: Message): void {
  progress.recentlyActive = true;
  if (progress.checkOnHeartbeat) {
    progress.checkOnHeartbeat = false;
    progress.probePaused = false;
    // Something sent may not be acknowledged because it was lost: an append, even without entries, finds out.
    if (progress.match < state.log.lastIndex || progress.state === 'probe') progress.appendDue = true;
  }
  if (message.contextNonce === state.config.nonce) advanceReads(state, progress, message.context);
}

/** Hands leadership over as soon as the transferee has the whole log. */
export function maybeSendTimeoutNow(state: RaftState, progress: Progress): void {
  if (progress.match < state.log.lastIndex) return;
  state.outbox.send(state.message(MessageType.TimeoutNow, progress.id));
}

/** This member's own log is synced further. */
export function advanceOwnMatch(state: RaftState): void {
  const { self } = state.members;
  if (self === undefined) return;
  self.maybeAdvance(state.log.persistedIndex);
  maybeCommit(state);
}

// ---- follower ----

/** Takes `from` as this term's leader. */
export function heardLeader(state: RaftState, from: NodeId): void {
  invariant(!state.isLeader, () => `two leaders in term ${state.term}: ${state.id} and ${from}`);
  if (state.role !== 'follower') becomeFollower(state, state.term, from);
  invariant(
    state.leader === NO_NODE || state.leader === from,
    () => `two leaders in term ${state.term}: ${state.leader} and ${from}`,
  );
  followLeader(state, from);
  state.electionElapsed = 0;
}

export function handleAppend(state: RaftState, message: Message): void {
  if (!isContiguous(message)) return;
  const { log } = state;
  if (message.index < log.commit) {
    acknowledge(state, message.from, log.commit);
    return;
  }
  if (!log.matches(message.index, message.logTerm)) {
    refuse(state, message);
    return;
  }
  const { last, truncatedFrom } = log.mergeFromLeader(message.index, message.entries);
  if (truncatedFrom > 0) state.persistence.truncatedFrom(truncatedFrom);
  log.commitTo(Math.min(message.commit, last));
  if (message.context === COMMIT_ONLY) return;
  acknowledge(state, message.from, last);
}

/** The entries follow each other and the previous one, with terms that do not fall or pass the sender's. */
function isContiguous(message: Message): boolean {
  let { index, logTerm: term } = message;
  for (const entry of message.entries) {
    if (entry.index !== ++index || entry.term < term) return false;
    term = entry.term;
  }
  return term <= message.term;
}

function acknowledge(state: RaftState, to: NodeId, index: LogIndex): void {
  const reply = state.message(MessageType.AppendReply, to);
  reply.index = index;
  state.outbox.acknowledge(reply);
}

function refuse(state: RaftState, message: Message): void {
  const { log } = state;
  const hint = log.conflictHint(Math.min(message.index, log.lastIndex), message.logTerm);
  const reply = state.message(MessageType.AppendReply, message.from);
  reply.reject = true;
  reply.index = message.index;
  reply.rejectHint = hint.index;
  reply.logTerm = hint.term;
  state.outbox.send(reply);
}

export function handleHeartbeat(state: RaftState, message: Message): void {
  // More than this log holds was matched before this member lost it: a broken promise that commitTo throws on.
  state.log.commitTo(message.commit);
  const reply = state.message(MessageType.HeartbeatReply, message.from);
  reply.context = message.context;
  reply.contextNonce = message.contextNonce;
  state.outbox.send(reply);
}

export function handleSnapshot(state: RaftState, message: Message): void {
  const { snapshot } = message;
  if (snapshot === undefined) return;
  adoptSnapshot(state, snapshot);
  acknowledge(state, message.from, state.log.commit);
}

/**
 * A snapshot that the host has received whole and whose store is durable. It replaces the log only where the log does not
 * already hold that entry: what is behind it may be acknowledged. True: the log was replaced.
 */
function adoptSnapshot(state: RaftState, snapshot: SnapshotMetadata): boolean {
  const { log } = state;
  if (snapshot.index <= log.commit) return false;
  if (log.matches(snapshot.index, snapshot.term)) {
    log.commitTo(snapshot.index);
    return false;
  }
  state.adoptSnapshot(snapshot);
  state.persistence.truncatedFrom(0);
  return true;
}

/**
 * The host's store stands at this snapshot, however it came there. What it holds was committed, so it counts whoever leads
 * now; the leader is told, since it may wait for it.
 */
export function installSnapshot(state: RaftState, snapshot: SnapshotMetadata): boolean {
  if (snapshot.term > state.term) becomeFollower(state, snapshot.term, NO_NODE);
  const isNew = snapshot.index > state.log.commit && !state.log.matches(snapshot.index, snapshot.term);
  invariant(!isNew || !state.isLeader, () => `a leader lacks the committed entry ${snapshot.index}`);
  if (isNew && state.role !== 'follower') becomeFollower(state, state.term, NO_NODE);
  const isReplaced = adoptSnapshot(state, snapshot);
  if (state.leader !== NO_NODE && !state.isLeader) acknowledge(state, state.leader, state.log.commit);
  return isReplaced;
}
