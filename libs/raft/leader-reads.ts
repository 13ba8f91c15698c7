import type { Progress } from './progress';
import type { WaitingRead } from './read-index';
import { followLeader } from './roles';
import type { RaftState } from './state';
import type { LogIndex, Message } from './types';
import { MessageType, NO_NODE } from './types';

// ReadIndex on both sides (raft thesis, section 6.4): the leader's rounds, and a follower's questions to it.

/** Asks for a read index on this member's behalf. */
export function askReadIndex(state: RaftState, context: number): 'ok' | 'no-leader' {
  if (state.isLeader) {
    state.reads.add({ from: state.id, context, nonce: state.config.nonce });
    return 'ok';
  }
  if (state.leader === NO_NODE) return 'no-leader';
  const message = state.message(MessageType.ReadIndex, state.leader);
  message.context = context;
  message.contextNonce = state.config.nonce;
  state.outbox.send(message);
  state.forwarded.add(context);
  return 'ok';
}

/** Another member asks. One that is not the leader says so, so that the asker need not wait for a timeout. */
export function handleReadIndex(state: RaftState, message: Message): void {
  const read: WaitingRead = { from: message.from, context: message.context, nonce: message.contextNonce };
  if (state.isLeader) state.reads.add(read);
  else reply(state, read, 0, true);
}

export function handleReadIndexReply(state: RaftState, message: Message): void {
  if (message.contextNonce !== state.config.nonce || !state.forwarded.answer(message.context)) return;
  if (message.reject) {
    state.droppedReads.push(message.context);
    // It led this term and does not any more: asking it again, or holding to it against a candidate, would be in vain.
    if (message.from === state.leader) followLeader(state, NO_NODE);
  } else state.readStates.push({ context: message.context, index: message.index });
}

/**
 * Begins a round for the reads that wait, as a leader that may answer. True: heartbeats must go out. The round's index is
 * the commit index now, after all of its reads arrived.
 */
export function beginReadRound(state: RaftState): boolean {
  const { reads, members } = state;
  if (!state.hasCommittedInTerm || !reads.canBegin) return false;
  const round = reads.begin(state.log.commit);
  if (members.self === undefined) return true;
  members.self.ackedRound = round;
  confirmReads(state);
  return true;
}

/** A member acknowledged a round in this term. */
export function advanceReads(state: RaftState, progress: Progress, round: number): void {
  if (round <= progress.ackedRound || round > state.reads.lastRound) return;
  progress.ackedRound = round;
  confirmReads(state);
}

export function confirmReads(state: RaftState): void {
  for (const { index, reads } of state.reads.confirm(state.members.roundByQuorum())) {
    for (const read of reads) answer(state, read, index);
  }
}

function answer(state: RaftState, read: WaitingRead, index: LogIndex): void {
  if (read.from === state.id) state.readStates.push({ context: read.context, index });
  else reply(state, read, index, false);
}

function reply(state: RaftState, read: WaitingRead, index: LogIndex, reject: boolean): void {
  const message = state.message(MessageType.ReadIndexReply, read.from);
  message.context = read.context;
  message.contextNonce = read.nonce;
  message.index = index;
  message.reject = reject;
  state.outbox.send(message);
}
