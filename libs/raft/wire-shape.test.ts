import {
  ConfChangeType,
  decodeRaftMessage,
  encodeRaftMessage,
  LogEntryType,
  type RaftMessage,
  type RaftMessageInput,
  RaftMessageType,
} from '../../proto/gen/hexad';
import { ConfOp, createMessage, EntryType, type Message, MessageType } from '.';

// The core's messages are handed to the codec as they are. These assignments fail to compile when the shapes drift apart.
const toWire = (message: Message): RaftMessageInput => message;
const fromWire = (message: RaftMessage): Message => message;

describe('the core and the wire agree', () => {
  it('numbers message types, entry types and configuration steps alike', () => {
    expect(Object.values(MessageType)).toEqual(Object.values(RaftMessageType));
    expect(Object.values(EntryType)).toEqual(Object.values(LogEntryType));
    const { LeaveJoint, ...onWire } = ConfOp;
    expect(Object.values(onWire)).toEqual(Object.values(ConfChangeType));
    expect(Object.values(ConfChangeType)).not.toContain(LeaveJoint);
  });

  it('keeps every field of a message over the wire', () => {
    const message: Message = {
      ...createMessage(MessageType.Append, 2n),
      from: (1n << 64n) - 1n,
      term: 3,
      logTerm: 2,
      index: 2 ** 53 - 1,
      commit: 5,
      entries: [{ term: 3, index: 6, type: EntryType.Conf, data: new Uint8Array([1, 2]) }],
      reject: true,
      rejectHint: 7,
      context: 8,
      contextNonce: 2 ** 52 - 1,
      campaignTransfer: true,
      snapshot: { index: 4, term: 2, voters: [1n], votersOutgoing: [2n], learners: [3n], learnersNext: [4n] },
    };
    expect(fromWire(decodeRaftMessage(encodeRaftMessage(toWire(message))))).toEqual(message);
  });
});
