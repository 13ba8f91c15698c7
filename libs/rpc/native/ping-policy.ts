/** Without a running call pings may come only this often. */
const idleMinTimeMs = 2 * 3600 * 1000;
const maxStrikes = 2;

/** grpc-go's keepalive enforcement (PermitWithoutStream false): three pings too many end the connection. */
export class PingPolicy {
  readonly #minTimeMs: number | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  #strikes = 0;
  #forgiven = false;

  /** Undefined: no enforcement. */
  constructor(minTimeMs: number | undefined) {
    this.#minTimeMs = minTimeMs;
  }

  /** Anything sent to the client forgives: its bandwidth probes answer our data. */
  sent(): void {
    this.#forgiven = true;
  }

  /** False: too many pings. */
  received(now: number, hasStreams: boolean): boolean {
    if (this.#minTimeMs === undefined) return true;
    const sinceLast = now - this.#lastAt;
    this.#lastAt = now;
    if (this.#forgiven) {
      this.#forgiven = false;
      this.#strikes = 0;
      return true;
    }
    if (sinceLast < (hasStreams ? this.#minTimeMs : idleMinTimeMs)) this.#strikes++;
    return this.#strikes <= maxStrikes;
  }
}
