import { GrpcCode } from '../../../libs/errors';
import type { StreamCall } from '../../../libs/rpc';
import { limits } from '../limits';

/** One subscriber's stream. Sending never blocks: a subscriber that does not read is disconnected. */
export class Subscription {
  private over = false;

  constructor(
    private readonly call: StreamCall,
    onClose: () => void,
  ) {
    call.onClose(() => {
      this.over = true;
      onClose();
    });
  }

  get closed(): boolean {
    return this.over;
  }

  send(message: Uint8Array): void {
    if (this.over) return;
    this.call.send(message);
    if (this.call.bufferedBytes <= limits.subscriberBufferedBytesMax) return;
    this.over = true;
    this.call.end({ code: GrpcCode.ResourceExhausted, message: 'the stream is not being read' });
  }
}

/** Runs `handle` with the request of a server-streaming call, decoded; a malformed one ends the call. */
export function onRequest<T>(call: StreamCall, decode: (bytes: Uint8Array) => T, handle: (request: T) => void): void {
  let seen = false;
  onRequests(call, decode, (request) => {
    if (seen) return;
    seen = true;
    handle(request);
  });
}

/** The same for each request of a call that may bring several. */
export function onRequests<T>(call: StreamCall, decode: (bytes: Uint8Array) => T, handle: (request: T) => void): void {
  call.sendHeaders();
  call.onMessage((message) => {
    let request: T;
    try {
      request = decode(message);
    } catch (error) {
      call.end({ code: GrpcCode.InvalidArgument, message: `malformed request: ${String(error)}` });
      return;
    }
    handle(request);
  });
}
