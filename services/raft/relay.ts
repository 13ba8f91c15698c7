import { type CatalogueError, Errors } from '../../libs/errors';
import type { NodeId } from '../../libs/raft';
import type { StreamHandler } from '../../libs/rpc';
import {
  decodeRelayBatch,
  decodeRelayServeBatch,
  encodeRelayBatch,
  encodeRelayReplyBatch,
  type RelayReply,
  type RelayReplyInput,
  type RelayRequest,
  type RelayRequestInput,
} from '../../proto/gen/hexad';
import type { RaftLimits } from './config';
import type { Consensus } from './consensus';
import type { PeerSet } from './peers/peer-set';
import { onDecoded, ReplyStream } from './reply-stream';

export interface RelayOptions {
  readonly memberId: NodeId;
  readonly consensus: Consensus;
  readonly peers: PeerSet;
  readonly limits: RaftLimits;
  readonly now: () => number;
  readonly dirty: Set<{ flush(): void }>;
}

/** One hop of a request: who waits for the reply, and whom it was handed to. */
interface Hop {
  readonly answer: (reply: RelayReplyInput) => void;
  /** The member it was sent to, or the local process that has it. */
  readonly at: NodeId | ReplyStream<RelayRequestInput>;
  readonly since: number;
}

/**
 * Requests between processes of different members, and their replies, as bytes that are not looked into. Ids are this
 * process's own on each hop. A request is sent once; if a hop breaks, its sender is told that the outcome is unknown.
 */
export class Relay {
  private readonly servers = new Map<string, ReplyStream<RelayRequestInput>>();
  private readonly hops = new Map<number, Hop>();
  private lastId = 0;

  constructor(private readonly options: RelayOptions) {}

  /** `Raft.Relay`: a local process asks another member's. */
  readonly serveRequests: StreamHandler = (call) => {
    const replies = new ReplyStream<RelayReplyInput>(
      call,
      (list) => encodeRelayReplyBatch({ replies: list }),
      this.options.limits.queueBytes,
      this.options.dirty,
      () => undefined,
    );
    onDecoded(call, decodeRelayBatch, ({ requests }) => {
      for (const request of requests) this.route(request, (reply) => replies.push(reply));
      this.options.consensus.schedule();
    });
    call.onHalfClose(() => call.end());
  };

  /** `Raft.Serve`: a local process answers what is for it. The latest to offer a name has it. */
  readonly serveProcess: StreamHandler = (call) => {
    let name = '';
    const requests = new ReplyStream<RelayRequestInput>(
      call,
      (list) => encodeRelayBatch({ requests: list }),
      this.options.limits.queueBytes,
      this.options.dirty,
      () => {
        if (this.servers.get(name) === requests) this.servers.delete(name);
        this.failAt(requests);
      },
    );
    onDecoded(call, decodeRelayServeBatch, (batch) => {
      if (batch.serve !== '') {
        name = batch.serve;
        this.servers.set(name, requests);
      }
      for (const reply of batch.replies) this.replied(reply);
      this.options.consensus.schedule();
    });
    call.onHalfClose(() => call.end());
  };

  /** Requests that another member has sent here. */
  fromPeer(from: NodeId, requests: readonly RelayRequest[]): void {
    for (const request of requests) {
      this.handLocally(request, (reply) => this.options.peers.get(from)?.queueRelayReply(reply));
    }
  }

  replies(replies: readonly RelayReply[]): void {
    for (const reply of replies) this.replied(reply);
  }

  /** The link to a member broke: what it was asked has an unknown outcome. */
  peerLost(id: NodeId): void {
    this.failAt(id);
  }

  /** Gives up on requests that nobody has answered. */
  tick(): void {
    const { now, limits } = this.options;
    const before = now() - limits.relayTimeoutMs;
    for (const [id, hop] of this.hops) {
      if (hop.since > before) break; // hops are in the order they began
      this.fail(id, hop, Errors.Timeout);
    }
  }

  private route(request: RelayRequest, answer: Hop['answer']): void {
    const { memberId, consensus, peers } = this.options;
    const target = request.memberId === 0n ? consensus.core.leader : request.memberId;
    if (target === memberId) return this.handLocally(request, answer);
    const peer = peers.get(target);
    if (target === 0n || peer === undefined) {
      return answer(refusal(request, target === 0n ? Errors.NoLeader : Errors.MemberNotFound));
    }
    if (!peer.canForward) return answer(refusal(request, Errors.Unhealthy));
    peer.queueRelayRequest({ ...request, memberId: target, id: this.begin(request, target, answer) });
  }

  private handLocally(request: RelayRequest, answer: Hop['answer']): void {
    const server = this.servers.get(request.process);
    if (server === undefined) return answer(refusal(request, Errors.Unhealthy));
    server.push({ ...request, id: this.begin(request, server, answer) });
  }

  private begin({ id }: RelayRequest, at: Hop['at'], answer: Hop['answer']): number {
    this.lastId += 1;
    this.hops.set(this.lastId, { answer: (reply) => answer({ ...reply, id }), at, since: this.options.now() });
    return this.lastId;
  }

  private replied(reply: RelayReply): void {
    const hop = this.hops.get(reply.id);
    this.hops.delete(reply.id);
    hop?.answer(reply);
  }

  private failAt(at: Hop['at']): void {
    for (const [id, hop] of this.hops) if (hop.at === at) this.fail(id, hop, Errors.TimeoutConnectionLost);
    this.options.consensus.schedule();
  }

  private fail(id: number, hop: Hop, error: CatalogueError): void {
    this.hops.delete(id);
    hop.answer({ error: error.id });
  }
}

function refusal({ id }: RelayRequest, error: CatalogueError): RelayReplyInput {
  return { id, error: error.id };
}
