import { exponentialBounds, Histogram } from '../../../libs/telemetry';
import type { HubDelivery } from '../../../proto/gen/hexad';

/** What handing a hub's deliveries to clients takes, in seconds, with etcd's bounds: once for each batch that comes. */
export class SendLoop {
  readonly events = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly perEvent = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly control = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly progress = new Histogram(exponentialBounds(0.001, 2, 14));

  /** `sent`: events, one for each watcher. */
  observe(deliveries: readonly HubDelivery[], sent: number, tookMs: number): void {
    const seconds = tookMs / 1000;
    if (sent > 0) {
      this.events.observe(seconds);
      this.perEvent.observe(seconds / sent);
    } else if (deliveries.some(({ progress }) => progress)) this.progress.observe(seconds);
    else if (deliveries.length > 0) this.control.observe(seconds);
  }
}
