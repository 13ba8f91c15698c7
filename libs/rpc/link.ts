import type { RpcError } from '../errors';
import { connect } from './connect';
import type { Address, Channel, ChannelOptions, ClientStream, Metadata } from './types';

const backoffFirstMs = 20;
const backoffMaxMs = 500;

export interface LinkOptions {
  /** Either a channel that the link shares with others, or an address for a channel of its own. */
  readonly channel?: Channel;
  readonly address?: Address;
  readonly channelOptions?: ChannelOptions;
  /** Full path of the streaming method. */
  readonly path: string;
  readonly metadata?: Metadata;
  /** Sent at the start of each stream, before the peer has confirmed it: what a server-streaming method needs as its request. */
  readonly firstMessage?: () => Uint8Array;
  /** The peer's handler has the stream. Runs again after each reconnection. */
  onOpen?(stream: ClientStream): void;
  onMessage(message: Uint8Array): void;
  /** Runs once for each `onOpen`, when that stream has ended. Nothing that was under way is sent again. */
  onClose?(reason: RpcError): void;
  /** An attempt that never opened; the link goes on trying. */
  onConnectError?(reason: RpcError): void;
}

/** One long-lived stream that is kept up: reconnects at once, then with a back-off of 20 ms to 500 ms. */
export interface Link {
  readonly isOpen: boolean;
  readonly bufferedBytes: number;
  /** False (and nothing is sent) while the link is down. */
  send(message: Uint8Array): boolean;
  /** Stops and resumes delivery of messages; the peer is then held back by flow control. */
  pause(): void;
  resume(): void;
  /** Drops the current stream and connects anew, for a peer that is stuck. */
  reset(): void;
  close(): void;
}

export function createLink(options: LinkOptions): Link {
  return new StreamLink(options);
}

const endedByPeer: RpcError = { code: 14, message: 'the peer ended the stream' };

class StreamLink implements Link {
  readonly #options: LinkOptions;
  readonly #channel: Channel;
  readonly #ownsChannel: boolean;
  #stream: ClientStream | undefined;
  #open = false;
  #closed = false;
  #backoffMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#ownsChannel = options.channel === undefined;
    this.#channel = options.channel ?? ownChannel(options);
    // After the caller has stored the link, so that its callbacks may use it.
    process.nextTick(() => this.#connect());
  }

  get isOpen(): boolean {
    return this.#open;
  }

  get bufferedBytes(): number {
    return this.#stream?.bufferedBytes ?? 0;
  }

  send(message: Uint8Array): boolean {
    if (!this.#open || this.#stream === undefined) return false;
    this.#stream.send(message);
    return true;
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  reset(): void {
    this.#stream?.cancel();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stream?.cancel();
    if (this.#ownsChannel) this.#channel.close();
  }

  #connect(): void {
    if (this.#closed) return;
    const stream = this.#channel.stream(
      this.#options.path,
      this.#options.metadata === undefined ? {} : { metadata: this.#options.metadata },
    );
    this.#stream = stream;
    stream.onHeaders(() => this.#opened(stream));
    stream.onMessage((message) => this.#options.onMessage(message));
    stream.onClose((error) => this.#ended(error ?? endedByPeer));
    if (this.#options.firstMessage !== undefined) stream.send(this.#options.firstMessage());
  }

  #opened(stream: ClientStream): void {
    if (this.#closed) return;
    this.#open = true;
    this.#backoffMs = 0;
    this.#options.onOpen?.(stream);
  }

  #ended(reason: RpcError): void {
    const wasOpen = this.#open;
    this.#open = false;
    this.#stream = undefined;
    if (wasOpen) this.#options.onClose?.(reason);
    else if (!this.#closed) this.#options.onConnectError?.(reason);
    if (!this.#closed) this.#reconnectLater();
  }

  #reconnectLater(): void {
    const delay = this.#backoffMs * (0.5 + Math.random() / 2);
    this.#backoffMs = Math.min(Math.max(this.#backoffMs * 2, backoffFirstMs), backoffMaxMs);
    this.#timer = setTimeout(() => this.#connect(), delay);
  }
}

function ownChannel(options: LinkOptions): Channel {
  if (options.address === undefined) throw new Error('a link needs a channel or an address');
  return connect(options.address, options.channelOptions);
}
