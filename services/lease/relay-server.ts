import { type Channel, createLink, type Link } from '../../libs/rpc';
import {
  decodeRelayBatch,
  encodeRelayServeBatch,
  RAFT_PATHS,
  type RelayReplyInput,
  type RelayRequest,
} from '../../proto/gen/hexad';

const PROCESS = 'lease';

export type RelayResponder = (error: number, payload: Uint8Array) => void;

/** Answers what other members relay to this member's lease process. */
export class RelayServer {
  private readonly link: Link;
  private replies: RelayReplyInput[] = [];
  /** Replies to requests of an earlier stream must not reach a later one, whose ids are others. */
  private generation = 0;

  constructor(channel: Channel, handle: (request: RelayRequest, respond: RelayResponder) => void) {
    this.link = createLink({
      channel,
      path: RAFT_PATHS.Serve,
      firstMessage: () => encodeRelayServeBatch({ serve: PROCESS }),
      onOpen: () => {
        this.generation += 1;
        this.replies = [];
      },
      onMessage: (message) => {
        const { generation } = this;
        for (const request of decodeRelayBatch(message).requests) {
          handle(request, (error, payload) => this.reply(generation, { id: request.id, error, payload }));
        }
      },
    });
  }

  close(): void {
    this.link.close();
  }

  private reply(generation: number, reply: RelayReplyInput): void {
    if (generation !== this.generation) return;
    if (this.replies.length === 0) setImmediate(() => this.flush());
    this.replies.push(reply);
  }

  private flush(): void {
    const { replies } = this;
    this.replies = [];
    if (replies.length > 0) this.link.send(encodeRelayServeBatch({ replies }));
  }
}
