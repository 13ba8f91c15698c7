import type { TierConfig } from '../../../libs/config';
import { Directory, hubSubject, type Messenger } from '../../../libs/event-bus';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../../libs/limits';
import { lookupAll } from '../../../libs/names';
import { formatAddress, parseAddress } from '../../../libs/process';
import { type Address, createLink, type EngineName, type Link } from '../../../libs/rpc';
import { decodeBusHub, WATCH_HUB_PATHS } from '../../../proto/gen/hexad';
import type { HubClient } from './hub-client';
import type { HubPeer } from './hub-peer';

export interface HubLinksOptions {
  readonly hub: HubClient;
  readonly engine: EngineName;
  /** The hub of this proxy's member. */
  readonly own: string;
  readonly hubs: TierConfig['watchHubs'];
  readonly clusterId: bigint;
  readonly messenger: Messenger | undefined;
}

interface Linked {
  readonly peer: HubPeer;
  readonly link: Link;
}

/** A name may stand for other hosts after a while. */
const RESOLVE_MS = 2_000;
/** A host that has gone without a word is noticed by its silence. */
const KEEPALIVE = { keepaliveIntervalMs: 1_000, keepaliveTimeoutMs: 2_000 };

/** A stream to each hub: to the member's own, to those of a fixed list of names, or to those heard of over the event bus. */
export class HubLinks {
  private readonly links = new Map<string, Linked>();
  private readonly directory: { close(): void } | undefined;
  private readonly timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly options: HubLinksOptions) {
    const { hubs, own, messenger, clusterId } = options;
    if (hubs === null) this.use([own]);
    else if (hubs !== '*') {
      void this.resolve(hubs);
      this.timer = setInterval(() => void this.resolve(hubs), RESOLVE_MS);
    } else {
      if (messenger === undefined) throw new Error('hubs are found over the event bus, and there is none');
      this.directory = new Directory(messenger, hubSubject(clusterId, '*'), decodeBusHub, (entries) =>
        this.use(entries.map(({ address }) => address).filter(isAddress)),
      );
    }
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
    this.directory?.close();
    for (const { link } of this.links.values()) link.close();
  }

  private async resolve(hubs: readonly string[]): Promise<void> {
    const found = await Promise.all(hubs.map((hub) => addressesOf(parseAddress(hub))));
    // While a name can't be resolved its hubs stay what they were.
    if (!this.isClosed && found.every((addresses) => addresses !== undefined)) this.use(found.flat() as string[]);
  }

  private use(addresses: readonly string[]): void {
    const wanted = new Set(addresses);
    // First the new ones: what is on a hub that leaves moves once.
    for (const address of wanted) if (!this.links.has(address)) this.open(address);
    for (const [address, { peer, link }] of this.links) {
      if (wanted.has(address)) continue;
      this.links.delete(address);
      this.options.hub.removeHub(peer);
      link.close();
    }
  }

  private open(text: string): void {
    const { hub, engine } = this.options;
    const address = parseAddress(text);
    const peer = hub.addHub(text);
    const link = createLink({
      address,
      channelOptions: {
        engine,
        maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX,
        ...(address.kind === 'tcp' ? KEEPALIVE : {}),
      },
      path: WATCH_HUB_PATHS.Watch,
      onOpen: (stream) => peer.opened((message) => stream.send(message)),
      onMessage: (message) => peer.onMessage(message),
      onClose: () => peer.broken(),
    });
    this.links.set(text, { peer, link });
  }
}

/** All that a name stands for, IPv4 if it has any, so that a host with both is one hub. Undefined: it can't be resolved. */
async function addressesOf(address: Address): Promise<string[] | undefined> {
  if (address.kind === 'unix') return [formatAddress(address)];
  try {
    const found = await lookupAll(address.host);
    const four = found.filter(({ family }) => family === 4);
    const hosts = new Set((four.length > 0 ? four : found).map(({ address: host }) => host));
    return [...hosts].sort().map((host) => formatAddress({ ...address, host }));
  } catch {
    return undefined;
  }
}

/** Whoever may publish on the bus could say anything. */
function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}
