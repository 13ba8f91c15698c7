/**
 * How event batches get from a storage to its hubs. A bus may lose, repeat, reorder or die: every batch names its own and the
 * previous revision, so that a hub notices and reads what it missed from storage's history.
 */
export interface EventPublisher {
  /** Whether somebody gets events through this bus; while nobody does, none need be made. */
  readonly isWanted: boolean;
  /**
   * Never blocks and never fails: what can't be carried is lost. The bytes must not change afterwards. `traceparent`: of a request that
   * is among the causes; empty: none was traced.
   */
  publish(message: Uint8Array, traceparent: string): void;
}

/** A hub's end of the bus. */
export interface EventSource {
  /** The hub wants events now, or does not any more: `wantsEvents` of the source's options says which. */
  wishChanged(): void;
  close(): void;
}

/** `traceparent`: as its publisher gave it; empty: none. */
export type OnMessage = (message: Uint8Array, traceparent: string) => void;

/** Subjects and bytes, whatever carries them. */
export interface Messenger {
  /** False while messages are certain to be lost. */
  readonly isConnected: boolean;
  /** False: not sent (no connection, too large, or too much waits). `traceparent`: the W3C header of what caused it; empty: none. */
  publish(subject: string, message: Uint8Array, traceparent?: string): boolean;
  /** Returns what ends it. Survives reconnections. */
  subscribe(subject: string, onMessage: OnMessage): () => void;
  close(): Promise<void>;
}
