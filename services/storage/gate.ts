/**
 * Closed until the store has re-applied what raft had committed when the two met: before that the member may be behind what
 * it has already served, so reads, watch and feeds wait.
 */
export class Gate {
  private waiting: (() => void)[] = [];
  private opened = false;

  get isOpen(): boolean {
    return this.opened;
  }

  /** At once when open. */
  whenOpen(callback: () => void): void {
    if (this.opened) callback();
    else this.waiting.push(callback);
  }

  open(): void {
    if (this.opened) return;
    this.opened = true;
    const waiting = this.waiting;
    this.waiting = [];
    for (const callback of waiting) callback();
  }
}
