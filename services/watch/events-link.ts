import { type Channel, createLink, type Link } from '../../libs/rpc';
import { encodeEventsRequest, STORAGE_PATHS } from '../../proto/gen/hexad';

/** What a hub asks storage for. */
export interface Wish {
  /** No events, only storage's revision. */
  readonly idle: boolean;
  /** Events over the event bus. */
  readonly bus: boolean;
}

export interface EventsLinkOptions {
  readonly channel: Channel;
  readonly wish: () => Wish;
  readonly onMessage: (message: Uint8Array) => void;
}

/**
 * The live feed from storage. After a break it goes on from the present: the hub sees from the revisions what it has
 * missed.
 */
export class EventsLink {
  private readonly link: Link;
  /** What this stream's storage was told last. */
  private told: Wish = { idle: true, bus: false };

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
    const { idle, bus } = this.options.wish();
    const isKnown = this.told.idle === idle && this.told.bus === bus;
    if (this.link.isOpen && !isKnown) this.link.send(this.request());
  }

  close(): void {
    this.link.close();
  }

  private request(): Uint8Array {
    this.told = this.options.wish();
    return encodeEventsRequest(this.told);
  }
}
