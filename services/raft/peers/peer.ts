import type { RpcError } from '../../../libs/errors';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../../libs/limits';
import { type Message, MessageType, type NodeId } from '../../../libs/raft';
import {
  type Address,
  type Channel,
  type ChannelOptions,
  connect,
  createLink,
  type EngineName,
  type Link,
  type TlsClientOptions,
} from '../../../libs/rpc';
import {
  type PeerBatchInput,
  type ForwardedTiming,
  PEER_PATHS,
  type Proposal,
  type ProposeReplyInput,
  type RelayReplyInput,
  type RelayRequestInput,
} from '../../../proto/gen/hexad';
import { toHostMicros } from '../../../libs/telemetry';
import type { RaftStats } from '../stats';
import { peerAddress } from '../../../libs/peer-address';
import type { PeerEncoder } from './peer-codec';
import type { AllPeerCounts } from './peer-counts';

export interface PeerOptions {
  readonly engine: EngineName;
  readonly queueBytes: number;
  readonly encoder: PeerEncoder;
  readonly stats: RaftStats;
  readonly counts: AllPeerCounts;
  readonly tls: (host: string) => TlsClientOptions;
  hello(to: NodeId): Uint8Array;
  /** The bulk link broke: what was under way on it may be lost. */
  onLost(id: NodeId): void;
  onConnected(id: NodeId): void;
  /** The core wants the member to be sent the store. */
  onSnapshot(id: NodeId): void;
  onRefused(id: NodeId, url: string, reason: RpcError): void;
  /** Undefined: no stage stamps. */
  readonly stamps: PeerStamps | undefined;
}

/** What a peer tells the other member of the time that things took here; microseconds. */
export interface PeerStamps {
  readonly clock: () => number;
  takeFor(id: NodeId): ForwardedTiming[] | undefined;
  /** Since the last append of that member came. */
  appendHeld(id: NodeId): number;
  fsyncMicros(): number;
}

/** The other fields of a PeerBatch beside the raft messages, while they are collected. */
interface Extras {
  proposals: Proposal[];
  proposalReplies: ProposeReplyInput[];
  relayRequests: RelayRequestInput[];
  relayReplies: RelayReplyInput[];
  wantsStore: boolean;
  /** Stage stamps; 0 and empty: there is nothing to tell. */
  forwardArrived: number;
  forwardSent: number;
  forwarded: ForwardedTiming[];
  appendHeld: number;
  appendFsync: number;
}

function noExtras(): Extras {
  return {
    forwardArrived: 0,
    forwardSent: 0,
    forwarded: [],
    appendHeld: 0,
    appendFsync: 0,
    proposals: [],
    proposalReplies: [],
    relayRequests: [],
    relayReplies: [],
    wantsStore: false,
  };
}

/** Appends wait behind each other, perhaps for megabytes; what elections and reads depend on must not wait behind them. */
function isBulk(type: number): boolean {
  return type === MessageType.Append || type === MessageType.AppendReply || type === MessageType.Snapshot;
}

function acknowledges({ type, reject }: Message): boolean {
  return type === MessageType.AppendReply && !reject;
}

/** What this member sends to another one: a bulk link and a control link, each a connection of its own. */
export class Peer {
  private readonly bulk: Lane;
  private readonly control: Lane;
  private extras: Extras | undefined;

  constructor(
    readonly id: NodeId,
    urls: readonly string[],
    private readonly options: PeerOptions,
  ) {
    this.bulk = new Lane(this.id, urls, options, () => options.onLost(id));
    this.control = new Lane(this.id, urls, options, () => undefined);
  }

  get isConnected(): boolean {
    return this.bulk.isOpen && this.control.isOpen;
  }

  /** Since when both links are up, on the clock of `performance.now()`; undefined: they are not. */
  get connectedSince(): number | undefined {
    return this.isConnected ? Math.max(this.bulk.openSince, this.control.openSince) : undefined;
  }

  /** A connection of its own, to where the member was reached last. */
  connect(): Channel {
    return this.bulk.connect();
  }

  get canForward(): boolean {
    return this.bulk.isOpen && this.bulk.bufferedBytes < this.options.queueBytes;
  }

  queue(message: Message): void {
    if (message.type === MessageType.Snapshot) return this.options.onSnapshot(this.id);
    if (message.type === MessageType.Heartbeat) this.options.counts.of(this.id).heartbeatSent(performance.now());
    (isBulk(message.type) ? this.bulk : this.control).messages.push(message);
  }

  /** `since`: when they were read, of `performance.now()`. */
  forward(proposals: readonly Proposal[], since: number): void {
    const extras = this.collecting();
    for (const proposal of proposals) extras.proposals.push(proposal);
    if (extras.forwardArrived === 0) extras.forwardArrived = Math.round(toHostMicros(since));
  }

  queueProposalReply(reply: ProposeReplyInput): void {
    this.collecting().proposalReplies.push(reply);
  }

  queueRelayRequest(request: RelayRequestInput): void {
    this.collecting().relayRequests.push(request);
  }

  queueRelayReply(reply: RelayReplyInput): void {
    this.collecting().relayReplies.push(reply);
  }

  /** Asks the member for a copy of its store. */
  requestStore(): void {
    this.collecting().wantsStore = true;
  }

  flush(): void {
    this.stamp();
    const { extras } = this;
    this.extras = undefined;
    this.control.flush(undefined);
    this.bulk.flush(extras);
  }

  close(): void {
    this.bulk.close();
    this.control.close();
  }

  /** Adds what the other member is to know of the time that its proposals, and its append, took. */
  private stamp(): void {
    const { stamps } = this.options;
    if (stamps === undefined) return;
    const forwarded = stamps.takeFor(this.id);
    if (forwarded !== undefined) this.collecting().forwarded = forwarded;
    if (this.extras !== undefined && this.extras.proposals.length > 0) {
      this.extras.forwardSent = Math.round(stamps.clock());
    }
    if (!this.bulk.messages.some(acknowledges)) return;
    const extras = this.collecting();
    extras.appendHeld = stamps.appendHeld(this.id);
    extras.appendFsync = stamps.fsyncMicros();
  }

  private collecting(): Extras {
    this.extras ??= noExtras();
    return this.extras;
  }
}

/** One link, over whichever of the peer's URLs answers. */
class Lane {
  messages: Message[] = [];
  /** When the link came up the last time. */
  openSince = 0;
  private link: Link;
  private url = 0;

  constructor(
    private readonly id: NodeId,
    private readonly urls: readonly string[],
    private readonly options: PeerOptions,
    private readonly onLost: () => void,
  ) {
    this.link = this.dial();
  }

  get isOpen(): boolean {
    return this.link.isOpen;
  }

  get bufferedBytes(): number {
    return this.link.bufferedBytes;
  }

  flush(extras: PeerBatchInput | undefined): void {
    const { messages, link, options } = this;
    if (messages.length === 0 && extras === undefined) return;
    this.messages = [];
    if (!link.isOpen || link.bufferedBytes > options.queueBytes) {
      // Raft's messages may be lost: it sends them again once it is told.
      options.stats.peerMessagesDropped += messages.length;
      options.counts.of(this.id).sentFailures += 1;
      if (messages.some(({ type }) => type === MessageType.Heartbeat)) options.stats.heartbeatSendFailures += 1;
      if (messages.length > 0) this.onLost();
      return;
    }
    const bytes = options.encoder.encode(messages, extras);
    options.stats.peerBytesSent += bytes.length;
    options.counts.of(this.id).sentBytes += bytes.length;
    link.send(bytes);
  }

  close(): void {
    this.link.close();
  }

  connect(): Channel {
    const { address, channelOptions } = this.target();
    return connect(address, channelOptions);
  }

  private get currentUrl(): string {
    return this.urls[this.url % Math.max(1, this.urls.length)] ?? '';
  }

  private target(): { readonly address: Address; readonly channelOptions: ChannelOptions } {
    const { options } = this;
    const nowhere = { address: { kind: 'tcp', host: '127.0.0.1', port: 1 } as const, isTls: false };
    const { address, isTls } = peerAddress(this.currentUrl) ?? nowhere;
    const host = address.kind === 'tcp' ? address.host : 'localhost';
    const tls = isTls ? { tls: options.tls(host) } : {};
    return {
      address,
      channelOptions: { engine: options.engine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX, ...tls },
    };
  }

  private dial(): Link {
    const { options, id } = this;
    const url = this.currentUrl;
    return createLink({
      ...this.target(),
      path: PEER_PATHS.Messages,
      firstMessage: () => options.hello(id),
      onOpen: () => {
        this.openSince = performance.now();
        options.onConnected(id);
      },
      onMessage: () => undefined,
      onClose: (reason) => {
        options.counts.of(id).disconnects += 1;
        options.onRefused(id, url, reason);
        this.onLost();
        this.tryNext();
      },
      onConnectError: (reason) => {
        options.onRefused(id, url, reason);
        this.tryNext();
      },
    });
  }

  /** With one URL the link itself goes on trying. */
  private tryNext(): void {
    if (this.urls.length < 2) return;
    this.url += 1;
    this.link.close();
    this.link = this.dial();
  }
}
