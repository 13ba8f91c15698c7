import type { CallOptions, Channel, ClientStream, UnaryResult } from './types';

/**
 * A channel whose server can be exchanged for another that does the same. What is under way on the old one ends as when its
 * connection breaks; nothing is sent twice.
 */
export class MovableChannel implements Channel {
  private closed = false;

  constructor(private current: Channel) {}

  moveTo(next: Channel): void {
    const before = this.current;
    this.current = next;
    before.close();
    if (this.closed) next.close();
  }

  unary(path: string, request: Uint8Array, options: CallOptions, callback: (result: UnaryResult) => void): () => void {
    return this.current.unary(path, request, options, callback);
  }

  stream(path: string, options?: CallOptions): ClientStream {
    return this.current.stream(path, options);
  }

  close(): void {
    this.closed = true;
    this.current.close();
  }
}
