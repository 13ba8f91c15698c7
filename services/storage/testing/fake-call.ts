import type { RpcError } from '../../../libs/errors';
import type { StreamCall } from '../../../libs/rpc';

/** A stream's server side that records what is sent. Only what the feeds use. */
export class FakeCall {
  readonly sent: Uint8Array[] = [];
  bufferedBytes = 0;
  cancelled = false;
  ended: RpcError | 'ok' | undefined;
  private messageCallback: (message: Uint8Array) => void = () => undefined;
  private closeCallback: () => void = () => undefined;

  /** As the handler sees it. */
  get call(): StreamCall {
    return this as unknown as StreamCall;
  }

  receive(message: Uint8Array): void {
    this.messageCallback(message);
  }

  close(): void {
    this.cancelled = true;
    this.closeCallback();
  }

  sendHeaders(): void {}
  onMessage(callback: (message: Uint8Array) => void): void {
    this.messageCallback = callback;
  }
  onClose(callback: () => void): void {
    this.closeCallback = callback;
  }
  send(message: Uint8Array): boolean {
    this.sent.push(message);
    return true;
  }
  end(error?: RpcError): void {
    this.ended = error ?? 'ok';
    this.close();
  }
}
