import type { ReplyParts } from '../types';

/** Where the parts go. */
export interface PartSink {
  queue(part: Uint8Array, isFirst: boolean): void;
  isFull(): boolean;
  abort(): void;
}

/** Keeps count of an answer that is handed over in parts. */
export class PartedReply implements ReplyParts {
  private hasBegun = false;
  private blocked = false;
  private over = false;
  private onRoom: () => void = () => undefined;
  private onLoss: () => void = () => undefined;

  constructor(
    private left: number,
    private readonly sink: PartSink,
  ) {}

  get isComplete(): boolean {
    return this.left === 0;
  }

  write(part: Uint8Array): boolean {
    if (this.over || part.length === 0) return !this.blocked;
    if (part.length > this.left) throw new Error(`an answer is ${part.length - this.left} bytes longer than announced`);
    this.left -= part.length;
    const isFirst = !this.hasBegun;
    this.hasBegun = true;
    this.sink.queue(part, isFirst);
    this.blocked = this.sink.isFull();
    return !this.blocked;
  }

  onDrain(callback: () => void): void {
    this.onRoom = callback;
  }

  onBroken(callback: () => void): void {
    this.onLoss = callback;
    if (this.over) callback();
  }

  abort(): void {
    if (this.over) return;
    this.over = true;
    this.sink.abort();
  }

  /** The queue has become short. */
  drained(): void {
    if (!this.blocked || this.over) return;
    this.blocked = false;
    this.onRoom();
  }

  /** Nobody takes the rest. */
  broken(): void {
    if (this.over || this.isComplete) return;
    this.over = true;
    this.onLoss();
  }
}
