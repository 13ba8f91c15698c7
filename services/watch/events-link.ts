import { type Channel, createLink, type Link } from '../../libs/rpc';
import { encodeEventsRequest, STORAGE_PATHS } from '../../proto/gen/hexad';

export interface EventsLinkOptions {
  readonly channel: Channel;
  /** Whether the hub wants events, or only storage's revision. */
  readonly wantsEvents: () => boolean;
  readonly onMessage: (message: Uint8Array) => void;
}

/**
 * The live feed from storage. After a break it goes on from the present: the hub sees from the revisions what it has
 * missed.
 */
export class EventsLink {
  private readonly link: Link;
  /** What this stream's storage was told last. */
  private told = false;

  constructor(private readonly options: EventsLinkOptions) {
    this.link = createLink({
      channel: options.channel,
      path: STORAGE_PATHS.Events,
      firstMessage: () => this.request(),
      onOpen: () => this.wishChanged(),
      onMessage: options.onMessage,
    });
  }

  /** Tells storage, if it does not know. While the link is down that waits for its opening. */
  wishChanged(): void {
    if (this.link.isOpen && this.told !== this.options.wantsEvents()) this.link.send(this.request());
  }

  close(): void {
    this.link.close();
  }

  private request(): Uint8Array {
    this.told = this.options.wantsEvents();
    return encodeEventsRequest({ idle: !this.told });
  }
}
