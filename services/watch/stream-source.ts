import type { EventSource } from '../../libs/event-bus';
import type { Channel } from '../../libs/rpc';
import { decodeEventBatch, type EventBatch } from '../../proto/gen/hexad';
import { EventsLink } from './events-link';

export interface StreamSourceOptions {
  readonly channel: Channel;
  readonly wantsEvents: () => boolean;
  readonly onBatch: (batch: EventBatch, bytes: number) => void;
  readonly onStorage: (batch: EventBatch) => void;
}

/** Events by a stream of storage's own: the bus of a member by itself. */
export function createStreamSource({ channel, wantsEvents, onBatch, onStorage }: StreamSourceOptions): EventSource {
  return new EventsLink({
    channel,
    wish: () => ({ idle: !wantsEvents(), bus: false }),
    onMessage: (message) => {
      const batch = decodeEventBatch(message);
      onStorage(batch);
      onBatch(batch, message.length);
    },
  });
}
