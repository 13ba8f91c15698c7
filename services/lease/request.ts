import type { CatalogueError } from '../../libs/errors';
import { encodeLeaseRemaining, type LeaseMethod } from '../../proto/gen/hexad';

const NO_BYTES = new Uint8Array(0);

/** A keep-alive or a question for the time left, from a proxy of this member or relayed from another member. */
export class LeaseRequest {
  private done = false;

  constructor(
    readonly method: LeaseMethod,
    readonly id: bigint,
    /** As it came, to be relayed. */
    readonly payload: Uint8Array,
    /** From another member: it is answered here or refused, never relayed on. */
    readonly relayed: boolean,
    /** On the clock of `performance.now()`. */
    readonly deadline: number,
    private readonly respond: (error: number, payload: Uint8Array) => void,
  ) {}

  get answered(): boolean {
    return this.done;
  }

  /** `ttl` 0 with `grantedTtl` 0: there is no such lease. */
  answer(ttl: number, grantedTtl: number): void {
    this.answerBytes(encodeLeaseRemaining({ id: this.id, ttl, grantedTtl }));
  }

  answerBytes(payload: Uint8Array): void {
    this.finish(0, payload);
  }

  fail(error: CatalogueError): void {
    this.finish(error.id, NO_BYTES);
  }

  private finish(error: number, payload: Uint8Array): void {
    if (this.done) return;
    this.done = true;
    this.respond(error, payload);
  }
}
