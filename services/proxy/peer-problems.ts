import type { Logger } from '../../libs/process';
import { Limits } from './limits';

/**
 * The log's lines about peers that break the rules. A connection is told once by its engine; a bounded number of lines is
 * written in a while, so that a peer which comes back again and again can't fill the log.
 */
export class PeerProblems {
  private windowFrom = Number.NEGATIVE_INFINITY;
  private written = 0;
  private dropped = 0;

  constructor(
    private readonly logger: Pick<Logger, 'warn'>,
    private readonly now: () => number,
  ) {}

  readonly report = (peer: string, reason: string): void => {
    const at = this.now();
    if (at - this.windowFrom >= Limits.peerProblemsWindowMs) this.openWindow(at);
    if (this.written >= Limits.peerProblemsPerWindow) {
      this.dropped++;
      return;
    }
    this.written++;
    this.logger.warn({ 'remote-addr': peer, error: reason }, 'rejected connection or request on client endpoint');
  };

  private openWindow(at: number): void {
    if (this.dropped > 0) {
      this.logger.warn({ count: this.dropped }, 'more rejected connections and requests on client endpoints');
    }
    this.windowFrom = at;
    this.written = 0;
    this.dropped = 0;
  }
}
