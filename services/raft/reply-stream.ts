import { Errors } from '../../libs/errors';
import type { StreamCall } from '../../libs/rpc';

/**
 * Replies to one sibling, collected during a turn and sent as one message. A sibling that does not drain is
 * disconnected: replies never hold up the process.
 */
export class ReplyStream<Reply> {
  private replies: Reply[] = [];
  private closed = false;

  constructor(
    private readonly call: StreamCall,
    private readonly encode: (replies: Reply[]) => Uint8Array,
    private readonly queueBytes: number,
    private readonly dirty: Set<{ flush(): void }>,
    onClose: () => void,
  ) {
    call.onClose(() => {
      this.closed = true;
      this.replies = [];
      onClose();
    });
  }

  get isOpen(): boolean {
    return !this.closed;
  }

  push(reply: Reply): void {
    if (this.closed) return;
    if (this.replies.length === 0) this.dirty.add(this);
    this.replies.push(reply);
  }

  flush(): void {
    const { replies } = this;
    this.replies = [];
    if (this.closed || replies.length === 0) return;
    if (this.call.bufferedBytes > this.queueBytes) this.call.end(Errors.TooManyRequests);
    else this.call.send(this.encode(replies));
  }
}
