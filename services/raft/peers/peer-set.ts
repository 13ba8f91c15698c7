import type { Message, NodeId } from '../../../libs/raft';
import type { PeerMember } from '../config';
import { Peer, type PeerOptions } from './peer';

/** The other members and the links to them. */
export class PeerSet {
  private readonly peers = new Map<NodeId, { readonly peer: Peer; readonly urls: string }>();

  constructor(
    private readonly own: NodeId,
    private readonly options: PeerOptions,
  ) {}

  /** Dials who is new or has moved, hangs up on who is gone. */
  update(members: readonly PeerMember[]): void {
    const wanted = new Map(members.filter(({ id }) => id !== this.own).map((member) => [member.id, member]));
    for (const [id, { peer, urls }] of this.peers) {
      if (wanted.get(id)?.peerUrls.join() === urls) continue;
      peer.close();
      this.peers.delete(id);
    }
    for (const { id, peerUrls } of wanted.values()) {
      if (this.peers.has(id)) continue;
      this.peers.set(id, { peer: new Peer(id, peerUrls, this.options), urls: peerUrls.join() });
    }
  }

  get(id: NodeId): Peer | undefined {
    return this.peers.get(id)?.peer;
  }

  get connected(): number {
    let count = 0;
    for (const { peer } of this.peers.values()) if (peer.isConnected) count += 1;
    return count;
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) this.peers.get(message.to)?.peer.queue(message);
  }

  flush(): void {
    for (const { peer } of this.peers.values()) peer.flush();
  }

  close(): void {
    for (const { peer } of this.peers.values()) peer.close();
    this.peers.clear();
  }
}
