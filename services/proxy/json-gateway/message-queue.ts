const HIGH_WATER_BYTES = 1024 * 1024;

/**
 * One direction of a stream within a process. Messages pass through at once unless the receiver has paused or has not set its
 * callback yet; then they wait.
 */
export class MessageQueue {
  bytes = 0;
  private messages: Uint8Array[] = [];
  private receiver: ((message: Uint8Array) => void) | undefined;
  private endReceiver: (() => void) | undefined;
  private drainCallback: (() => void) | undefined;
  private paused = false;
  private overHighWater = false;
  private delivering = false;
  private ended = false;
  private endTold = false;
  private dropped = false;

  get waiting(): boolean {
    return this.messages.length > 0;
  }

  /** False while more than the high-water mark waits; the message is kept all the same. */
  push(message: Uint8Array): boolean {
    if (this.ended || this.dropped) return true;
    this.messages.push(message);
    this.bytes += message.length;
    this.deliver();
    if (this.bytes > HIGH_WATER_BYTES) this.overHighWater = true;
    return !this.overHighWater;
  }

  /** No more messages; `told` runs once those that wait have been delivered. */
  end(told: (() => void) | undefined): void {
    if (this.ended || this.dropped) return;
    this.ended = true;
    if (told !== undefined) this.endReceiver = told;
    this.deliver();
  }

  drop(): void {
    this.dropped = true;
    this.messages = [];
    this.bytes = 0;
  }

  onMessage(callback: (message: Uint8Array) => void): void {
    this.receiver = callback;
    this.deliver();
  }

  onEnd(callback: () => void): void {
    this.endReceiver = callback;
    this.deliver();
  }

  onDrain(callback: () => void): void {
    this.drainCallback = callback;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.deliver();
  }

  private deliver(): void {
    // A receiver may push, pause or resume: the outer loop goes on with what it left.
    if (this.delivering) return;
    this.delivering = true;
    while (this.messages.length > 0 && this.receiver !== undefined && !this.paused) {
      const batch = this.messages;
      this.messages = [];
      this.deliverBatch(batch, this.receiver);
    }
    this.delivering = false;
    this.tellDrained();
    this.tellEnd();
  }

  private deliverBatch(batch: readonly Uint8Array[], receiver: (message: Uint8Array) => void): void {
    for (let i = 0; i < batch.length; i++) {
      if (this.dropped) return;
      if (this.paused) {
        this.messages = [...batch.slice(i), ...this.messages];
        return;
      }
      const message = batch[i] as Uint8Array;
      this.bytes -= message.length;
      receiver(message);
    }
  }

  private tellDrained(): void {
    if (!this.overHighWater || this.bytes > HIGH_WATER_BYTES / 2) return;
    this.overHighWater = false;
    this.drainCallback?.();
  }

  private tellEnd(): void {
    if (!this.ended || this.endTold || this.dropped || this.waiting || this.paused) return;
    if (this.endReceiver === undefined) return;
    this.endTold = true;
    this.endReceiver();
  }
}
