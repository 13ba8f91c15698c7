import { type Channel, createLink, type Link } from '../../../libs/rpc';
import {
  decodeRelayBatch,
  decodeRelayReplyBatch,
  encodeRelayBatch,
  encodeRelayServeBatch,
  RAFT_PATHS,
} from '../../../proto/gen/hexad';

const PROCESS = 'storage';

/** The payload of the answer; undefined: there was none. */
export type OnAnswer = (payload: Uint8Array | undefined) => void;
/** Answers a question of another member, now or later; undefined: it can't. */
export type Handler = (method: number, payload: Uint8Array, answer: OnAnswer) => void;

/** The catalogue has no error for it: whoever asks only learns that there is no answer. */
const NO_ANSWER = 1;

/** Questions to the storages of other members and theirs to this one, relayed by raft. Nobody waits for an answer for ever: raft gives up. */
export class PeerStorages {
  private readonly asking: Link;
  private readonly serving: Link;
  private readonly pending = new Map<number, OnAnswer>();
  private lastId = 0;
  /** Answers to an earlier stream must not reach a later one, whose ids are others. */
  private generation = 0;

  constructor(channel: Channel, handler: Handler) {
    this.asking = createLink({
      channel,
      path: RAFT_PATHS.Relay,
      onMessage: (message) => {
        for (const { id, error, payload } of decodeRelayReplyBatch(message).replies) {
          const answer = this.pending.get(id);
          this.pending.delete(id);
          answer?.(error === 0 ? payload : undefined);
        }
      },
      onClose: () => this.failAll(),
    });
    this.serving = createLink({
      channel,
      path: RAFT_PATHS.Serve,
      firstMessage: () => encodeRelayServeBatch({ serve: PROCESS }),
      onOpen: () => {
        this.generation += 1;
      },
      onMessage: (message) => {
        const { generation } = this;
        for (const { id, method, payload } of decodeRelayBatch(message).requests) {
          handler(method, payload, (answer) => {
            if (generation !== this.generation || !this.serving.isOpen) return;
            const reply = answer === undefined ? { id, error: NO_ANSWER } : { id, payload: answer };
            this.serving.send(encodeRelayServeBatch({ replies: [reply] }));
          });
        }
      },
    });
  }

  ask(memberId: bigint, method: number, payload: Uint8Array, onAnswer: OnAnswer): void {
    if (!this.asking.isOpen) {
      onAnswer(undefined);
      return;
    }
    const id = ++this.lastId;
    this.pending.set(id, onAnswer);
    this.asking.send(encodeRelayBatch({ requests: [{ id, memberId, process: PROCESS, method, payload }] }));
  }

  close(): void {
    this.asking.close();
    this.serving.close();
  }

  private failAll(): void {
    const waiting = [...this.pending.values()];
    this.pending.clear();
    for (const answer of waiting) answer(undefined);
  }
}
