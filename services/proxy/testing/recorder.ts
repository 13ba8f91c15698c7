import type { RpcError } from '../../../libs/errors';
import type { Answer } from '../answer';

/** An answer that remembers what became of it, as text. */
export class RecordedAnswer implements Answer {
  cancelled = false;
  readonly outcomes: string[] = [];

  reply(response: Uint8Array): void {
    this.outcomes.push(`ok ${Buffer.from(response).toString('latin1')}`);
  }

  fail(error: RpcError): void {
    this.outcomes.push(error.message);
  }

  get outcome(): string | undefined {
    return this.outcomes[0];
  }
}

/** What `setImmediate` would run, run by hand; and a clock that stands still. */
export class ManualLoop {
  time = 1_000;
  private callbacks: Array<() => void> = [];

  readonly now = (): number => this.time;

  readonly afterArrivals = (callback: () => void): void => {
    this.callbacks.push(callback);
  };

  /** One turn of the loop. */
  turn(): void {
    const callbacks = this.callbacks;
    this.callbacks = [];
    for (const callback of callbacks) callback();
  }
}

export function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value, 'latin1'));
}
