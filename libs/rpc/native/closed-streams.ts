const remembered = 256;

/**
 * The streams that ended last, to tell a late frame (ours was the end: ignore it) from a mistake of the peer.
 * Only kept as numbers: nothing is held per stream.
 */
export class ClosedStreams {
  /** Stream id, negative when we ended it before the peer had. */
  readonly #ring = new Int32Array(remembered);
  #next = 0;

  add(streamId: number, early: boolean): void {
    this.#ring[this.#next] = early ? -streamId : streamId;
    this.#next = (this.#next + 1) & (remembered - 1);
  }

  /** Undefined: not among the last ones. */
  closedEarly(streamId: number): boolean | undefined {
    for (let i = 0; i < remembered; i++) {
      const id = this.#ring[i] as number;
      if (id === streamId) return false;
      if (id === -streamId) return true;
    }
    return undefined;
  }
}
