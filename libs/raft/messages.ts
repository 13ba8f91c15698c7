import type { LogEntry, Message, NodeId } from './types';
import { MessageType, NO_NODE } from './types';

// Which fields count, beside type, from, to and term:
//   PreVote, Vote               index, logTerm: the candidate's last entry; campaignTransfer. A pre-vote's term is the next one
//   PreVoteReply, VoteReply     reject. A granted pre-vote echoes the term asked for. A refusal names an entry known to be
//                               committed: index, logTerm
//   Append                      index, logTerm: the entry before `entries`; commit; context: COMMIT_ONLY or 0
//   AppendReply                 index: matched up to, or (reject) the refused previous index with rejectHint, logTerm
//   Heartbeat, HeartbeatReply   commit (as far as the follower matches); context, contextNonce: the read round
//   ReadIndex                   context, contextNonce: the asker's
//   ReadIndexReply              the same, index; reject: not the leader (any more)
//   Snapshot                    index: a snapshot at or behind this is wanted; snapshot: set by the sending host

/** Context of an append that only tells the commit index: answered only if it is refused. Halves an idle write's messages. */
export const COMMIT_ONLY = 1;

const NO_ENTRIES: LogEntry[] = [];

/** A message with every field at its neutral value; sender and term are set when it is put into the outbox. */
export function createMessage(type: number, to: NodeId): Message {
  return {
    type,
    from: NO_NODE,
    to,
    term: 0,
    logTerm: 0,
    index: 0,
    commit: 0,
    entries: NO_ENTRIES,
    reject: false,
    rejectHint: 0,
    context: 0,
    contextNonce: 0,
    campaignTransfer: false,
    snapshot: undefined,
  };
}

export function isFromLeader(type: number): boolean {
  return type === MessageType.Append || type === MessageType.Heartbeat || type === MessageType.Snapshot;
}

export function isVoteRequest(type: number): boolean {
  return type === MessageType.Vote || type === MessageType.PreVote;
}
