import { createMessage } from '../messages';
import type { ConfState, LogEntry, Message, NodeId, Ready } from '../types';
import { EntryType, MessageType } from '../types';
import { toText } from './conf-text';

// The form in which scenarios print a protocol run. index@term names an entry.

const TYPE_NAMES = Object.fromEntries(Object.entries(MessageType).map(([name, type]) => [type, name]));

export function traceEntry({ index, term, type, data }: LogEntry): string {
  const mark = type === EntryType.Conf ? ' conf' : '';
  return `${index}@${term}${mark} ${traceData(data)}`;
}

function traceData(data: Uint8Array): string {
  if (data.length === 0) return '-';
  return data.length <= 24 ? toText(data) : `(${data.length} B)`;
}

export function traceEntries(entries: readonly LogEntry[]): string {
  const first = entries[0];
  if (entries.length <= 4 || first === undefined) return `[${entries.map(traceEntry).join(', ')}]`;
  return `[${traceEntry(first)}, … ${traceEntry(entries[entries.length - 1] as LogEntry)}: ${entries.length} entries]`;
}

export function traceConf({ voters, votersOutgoing, learners, learnersNext }: ConfState): string {
  const parts = [`voters (${voters.join(' ')})`];
  if (votersOutgoing.length > 0) parts.push(`outgoing (${votersOutgoing.join(' ')})`);
  if (learners.length > 0) parts.push(`learners (${learners.join(' ')})`);
  if (learnersNext.length > 0) parts.push(`learners next (${learnersNext.join(' ')})`);
  return parts.join(' ');
}

export function traceMessage(message: Message): string {
  const name = TYPE_NAMES[message.type] ?? `type ${message.type}`;
  return `${message.from}->${message.to} ${name} term ${message.term}${traceFields(message)}`;
}

function traceFields(message: Message): string {
  switch (message.type) {
    case MessageType.Vote:
    case MessageType.PreVote:
      return ` last ${message.index}@${message.logTerm}${message.campaignTransfer ? ' transfer' : ''}`;
    case MessageType.VoteReply:
    case MessageType.PreVoteReply:
      return message.reject ? ` no, committed ${message.index}@${message.logTerm}` : ' yes';
    case MessageType.Append:
      return ` after ${message.index}@${message.logTerm} commit ${message.commit} ${traceEntries(message.entries)}`;
    case MessageType.AppendReply:
      if (!message.reject) return ` match ${message.index}`;
      return ` refused ${message.index} hint ${message.rejectHint}@${message.logTerm}`;
    case MessageType.Heartbeat:
      return ` commit ${message.commit} round ${message.context}`;
    case MessageType.HeartbeatReply:
      return ` round ${message.context}`;
    case MessageType.ReadIndex:
      return ` context ${message.context}`;
    case MessageType.ReadIndexReply:
      return ` context ${message.context} ${message.reject ? 'refused' : `index ${message.index}`}`;
    case MessageType.Snapshot:
      return message.snapshot === undefined
        ? ` wanted at ${message.index}`
        : ` ${message.snapshot.index}@${message.snapshot.term} ${traceConf(message.snapshot)}`;
    default:
      return '';
  }
}

/** What a Ready asks of member `id`, a line each, without its messages. */
export function traceReady(id: NodeId, ready: Ready): string[] {
  const lines: string[] = [];
  const say = (text: string): void => void lines.push(`${id} ${text}`);
  const { softState, hardState, snapshot, entriesToPersist, committed } = ready;
  if (softState !== undefined) {
    say(`is ${softState.role} term ${softState.term} leader ${softState.leader === 0n ? '-' : softState.leader}`);
  }
  if (snapshot !== undefined) say(`writes snapshot ${snapshot.index}@${snapshot.term}`);
  if (entriesToPersist.length > 0) say(`writes ${traceEntries(entriesToPersist)}`);
  if (hardState !== undefined) say(`writes term ${hardState.term} vote ${hardState.vote} commit ${hardState.commit}`);
  if (committed.length > 0) say(`applies ${traceEntries(committed)}`);
  for (const { context, index } of ready.readStates) say(`read ${context} at ${index}`);
  for (const context of ready.droppedReads) say(`read ${context} dropped`);
  return lines;
}

/** An empty message of a named type, for scenarios that forge one. */
export function messageOfType(name: string): Message {
  const type = MessageType[name as keyof typeof MessageType];
  if (type === undefined) throw new Error(`no message type ${name}`);
  return createMessage(type, 0n);
}
