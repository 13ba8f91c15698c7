import { type Channel, createLink, type Link } from '../../libs/rpc';
import { decodeRelayReplyBatch, encodeRelayBatch, RAFT_PATHS, type RelayRequestInput } from '../../proto/gen/hexad';
import type { LeaseRequest } from './request';

const PROCESS = 'lease';

/** Asks the lease process of the leading member, through raft. All that is asked in one turn leaves as one message. */
export class RelayClient {
  private readonly link: Link;
  private readonly pending = new Map<number, LeaseRequest>();
  private queue: RelayRequestInput[] = [];
  private lastId = 0;

  /** `onFailed`: the request was not answered; it changes nothing to ask again. */
  constructor(
    channel: Channel,
    private readonly onFailed: (request: LeaseRequest) => void,
  ) {
    this.link = createLink({
      channel,
      path: RAFT_PATHS.Relay,
      onMessage: (message) => this.receive(message),
      onClose: () => this.failAll(),
    });
  }

  send(request: LeaseRequest): void {
    if (!this.link.isOpen) {
      this.onFailed(request);
      return;
    }
    this.lastId += 1;
    this.pending.set(this.lastId, request);
    if (this.queue.length === 0) setImmediate(() => this.flush());
    this.queue.push({ id: this.lastId, process: PROCESS, method: request.method, payload: request.payload });
  }

  /** Forgets requests that have been answered otherwise (their time was over). */
  sweep(): void {
    for (const [id, request] of this.pending) if (request.answered) this.pending.delete(id);
  }

  close(): void {
    this.link.close();
  }

  private flush(): void {
    const requests = this.queue;
    this.queue = [];
    if (requests.length > 0) this.link.send(encodeRelayBatch({ requests }));
  }

  private receive(message: Uint8Array): void {
    for (const { id, error, payload } of decodeRelayReplyBatch(message).replies) {
      const request = this.pending.get(id);
      if (request === undefined) continue;
      this.pending.delete(id);
      if (error === 0) request.answerBytes(payload);
      else this.onFailed(request);
    }
  }

  private failAll(): void {
    const requests = [...this.pending.values()];
    this.pending.clear();
    this.queue = [];
    for (const request of requests) this.onFailed(request);
  }
}
