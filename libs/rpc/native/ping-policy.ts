/** Without a running call pings may come only this often. */
const idleMinTimeMs = 2 * 3600 * 1000;
const maxStrikes = 2;

/** grpc-go's keepalive enforcement (PermitWithoutStream false): three pings too many end the connection. */
export class PingPolicy {
  readonly #minTimeMs: number | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  #strikes = 0;

  /** Undefined: no enforcement. */
  constructor(minTimeMs: number | undefined) {
    this.#minTimeMs = minTimeMs;
  }

  /** False: too many pings. `forgiven`: something was sent since the last one, and clients probe bandwidth after our data. */
  received(now: number, forgiven: boolean, hasStreams: boolean): boolean {
    if (this.#minTimeMs === undefined) return true;
    const sinceLast = now - this.#lastAt;
    this.#lastAt = now;
    if (forgiven) {
      this.#strikes = 0;
      return true;
    }
    if (sinceLast < (hasStreams ? this.#minTimeMs : idleMinTimeMs)) this.#strikes++;
    return this.#strikes <= maxStrikes;
  }
}
