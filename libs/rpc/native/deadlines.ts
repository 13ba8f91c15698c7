/** Deadlines of all calls of the process on one timing wheel: no timer per call. Never early, late by at most one tick. */
export interface Expiring {
  /** `performance.now()` milliseconds. */
  expiresAt: number;
  /** Links of the wheel; owned by it. */
  nextExpiring: Expiring | undefined;
  previousExpiring: Expiring | undefined;
  onWheel: boolean;
  expire(): void;
}

const tickMs = 10;
const slotCount = 1024;

class DeadlineWheel {
  /** Heads of doubly linked lists; a deadline further than one turn of the wheel stays for the next turn. */
  readonly #slots = Array.from({ length: slotCount }, (): Expiring | undefined => undefined);
  #count = 0;
  #tick = 0;
  #timer: NodeJS.Timeout | undefined;

  add(item: Expiring): void {
    if (this.#timer === undefined) this.#start();
    const slot = Math.max(tickOf(item.expiresAt), this.#tick + 1) & (slotCount - 1);
    const head = this.#slots[slot];
    item.nextExpiring = head;
    item.previousExpiring = undefined;
    if (head !== undefined) head.previousExpiring = item;
    this.#slots[slot] = item;
    item.onWheel = true;
    this.#count++;
  }

  remove(item: Expiring): void {
    if (!item.onWheel) return;
    item.onWheel = false;
    const { nextExpiring: next, previousExpiring: previous } = item;
    if (next !== undefined) next.previousExpiring = previous;
    if (previous !== undefined) previous.nextExpiring = next;
    else this.#removeHead(item, next);
    item.nextExpiring = undefined;
    item.previousExpiring = undefined;
    this.#count--;
  }

  #removeHead(item: Expiring, next: Expiring | undefined): void {
    const slot = tickOf(item.expiresAt) & (slotCount - 1);
    if (this.#slots[slot] === item) this.#slots[slot] = next;
    // Added after its tick had passed: it was put into the slot that was next then.
    else this.#slots[this.#slots.indexOf(item)] = next;
  }

  #start(): void {
    this.#tick = tickOf(performance.now()) - 1;
    this.#timer = setInterval(() => this.#advance(), tickMs).unref();
  }

  #advance(): void {
    const now = performance.now();
    const current = tickOf(now) - 1;
    const steps = Math.min(current - this.#tick, slotCount);
    this.#tick = current;
    for (let i = steps - 1; i >= 0; i--) this.#expireSlot((current - i) & (slotCount - 1), now);
    if (this.#count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #expireSlot(slot: number, now: number): void {
    const due: Expiring[] = [];
    for (let item = this.#slots[slot]; item !== undefined; item = item.nextExpiring) {
      if (item.expiresAt <= now) due.push(item);
    }
    for (const item of due) {
      // An earlier one may have ended this one.
      if (!item.onWheel) continue;
      this.remove(item);
      item.expire();
    }
  }
}

/** The first tick at or after a time. */
function tickOf(time: number): number {
  return Math.ceil(time / tickMs);
}

export const deadlines = new DeadlineWheel();
