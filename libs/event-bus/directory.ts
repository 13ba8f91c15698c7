import type { Messenger } from './types';

/** How often everyone says that they are there, and how long they are believed. */
export const ANNOUNCE_MS = 1_000;
const FORGET_AFTER_MS = 3_500;

/** Says over the bus, every second, that a process is there; and once that it leaves. */
export class Announcer {
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly messenger: Messenger,
    private readonly subject: string,
    private readonly encode: (leaving: boolean) => Uint8Array,
  ) {
    this.timer = setInterval(() => this.announce(), ANNOUNCE_MS);
    this.announce();
  }

  leave(): void {
    clearInterval(this.timer);
    this.messenger.publish(this.subject, this.encode(true));
  }

  private announce(): void {
    this.messenger.publish(this.subject, this.encode(false));
  }
}

export interface Listed {
  readonly name: string;
  readonly leaving: boolean;
}

/** Who has announced themselves of late. While the bus is gone nobody is forgotten. */
export class Directory<T extends Listed> {
  private readonly entries = new Map<string, { readonly entry: T; readonly key: string; silentMs: number }>();
  private readonly timer: NodeJS.Timeout;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly messenger: Messenger,
    subject: string,
    decode: (message: Uint8Array) => T,
    private readonly onChange: (entries: readonly T[]) => void,
  ) {
    this.unsubscribe = messenger.subscribe(subject, (message) => {
      let entry: T;
      try {
        entry = decode(message);
      } catch {
        return; // not of ours: whoever may publish here can say anything
      }
      this.heard(entry);
    });
    this.timer = setInterval(() => this.age(), ANNOUNCE_MS / 2);
    this.timer.unref();
  }

  close(): void {
    clearInterval(this.timer);
    this.unsubscribe();
  }

  private heard(entry: T): void {
    const before = this.entries.get(entry.name);
    if (entry.leaving) {
      if (this.entries.delete(entry.name)) this.changed();
      return;
    }
    const key = JSON.stringify(entry);
    this.entries.set(entry.name, { entry, key, silentMs: 0 });
    if (before?.key !== key) this.changed();
  }

  /** Counts time only while the bus is there, so that a bus that comes back gives everyone time to speak. */
  private age(): void {
    if (!this.messenger.isConnected) {
      for (const entry of this.entries.values()) entry.silentMs = 0;
      return;
    }
    let forgotten = false;
    for (const [name, entry] of this.entries) {
      entry.silentMs += ANNOUNCE_MS / 2;
      if (entry.silentMs > FORGET_AFTER_MS) forgotten = this.entries.delete(name) || forgotten;
    }
    if (forgotten) this.changed();
  }

  /** Sorted by name, so that all who listen see the same list. */
  private changed(): void {
    const entries = [...this.entries.values()].map(({ entry }) => entry);
    this.onChange(entries.sort((a, b) => (a.name < b.name ? -1 : 1)));
  }
}
