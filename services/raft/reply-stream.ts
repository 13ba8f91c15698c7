import { Errors, GrpcCode } from '../../libs/errors';
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

/** Gives each message to `handle` decoded; a stream with one that is malformed is ended. */
export function onDecoded<T>(call: StreamCall, decode: (bytes: Uint8Array) => T, handle: (message: T) => void): void {
  call.onMessage((bytes) => {
    let message: T;
    try {
      message = decode(bytes);
    } catch (error) {
      return call.end({
        code: GrpcCode.InvalidArgument,
        message: error instanceof Error ? error.message : String(error),
      });
    }
    handle(message);
  });
}
