import { type CatalogueError, Errors } from '../../libs/errors';
import { type NodeId, type ProposedEntry, type ProposeResult } from '../../libs/raft';
import type { StreamHandler } from '../../libs/rpc';
import { toHostMicros } from '../../libs/telemetry';
import {
  decodeProposeBatch,
  encodeProposeReplyBatch,
  type Proposal,
  type ProposeReplyInput,
} from '../../proto/gen/hexad';
import type { RaftLimits } from './config';
import type { Consensus } from './consensus';
import type { PeerSet } from './peers/peer-set';
import { onDecoded, ReplyStream } from './reply-stream';
import type { RaftStats } from './stats';
import type { EntryStamps, ForwardedFrom } from './stamps';
import type { ProposalTraces } from './traces';

export interface ProposalsOptions {
  readonly consensus: Consensus;
  readonly peers: PeerSet;
  readonly limits: RaftLimits;
  readonly stats: RaftStats;
  readonly traces: ProposalTraces;
  readonly stamps: EntryStamps;
  readonly now: () => number;
  readonly dirty: Set<{ flush(): void }>;
  /** Why a change of the members is not taken now; `isOwn`: no other member passed it on. */
  readonly refusalOfChange: (entry: Uint8Array, isOwn: boolean) => CatalogueError | undefined;
  /** Committed entries that storage has not applied yet, and whether there is a storage to apply them. */
  readonly backlog: () => { readonly entries: number; readonly attached: boolean };
}

/** Where a refusal goes: a sibling's stream, or the member that forwarded the proposal. */
type Origin = ReplyStream<ProposeReplyInput> | NodeId;

interface Held {
  readonly proposals: readonly Proposal[];
  readonly bytes: number;
  readonly since: number;
  readonly origin: Origin;
}

/**
 * Proposals on their way into the log. The leader appends them; another member hands them to the leader once and never
 * again; without a leader they wait a while. Only refusals are answered: results come from storage.
 */
export class Proposals {
  private readonly streams = new Map<number, ReplyStream<ProposeReplyInput>>();
  private held: Held[] = [];
  private heldBytes = 0;
  /** While proposals of another member are being submitted: its stamps of them. */
  private forwardedFrom: ForwardedFrom | undefined;

  constructor(private readonly options: ProposalsOptions) {}

  readonly serve: StreamHandler = (call) => {
    const { limits, dirty, stats } = this.options;
    const origins = new Set<number>();
    const replies = new ReplyStream<ProposeReplyInput>(
      call,
      (list) => encodeProposeReplyBatch({ replies: list }),
      limits.queueBytes,
      dirty,
      () => {
        for (const origin of origins) if (this.streams.get(origin) === replies) this.streams.delete(origin);
      },
    );
    onDecoded(call, decodeProposeBatch, ({ proposals }) => {
      stats.proposalsReceived += proposals.length;
      const origin = proposals[0]?.origin;
      if (origin !== undefined && !origins.has(origin)) {
        origins.add(origin);
        this.streams.set(origin, replies);
      }
      this.submit(proposals, replies);
      this.options.consensus.schedule();
    });
    call.onHalfClose(() => call.end());
  };

  /** Proposals that `from` forwarded: appended here and now, or refused. */
  forwarded(from: ForwardedFrom, proposals: readonly Proposal[]): void {
    this.options.stats.proposalsReceived += proposals.length;
    this.forwardedFrom = from;
    this.submit(proposals, from.member);
    this.forwardedFrom = undefined;
  }

  /** Refusals of what this member forwarded. */
  forwardedRefused(
    replies: readonly { readonly origin: number; readonly sequence: number; readonly error: number }[],
  ): void {
    for (const reply of replies) this.streams.get(reply.origin)?.push(reply);
  }

  /** Tries again what waits for a leader, and gives up on what has waited too long. */
  retryHeld(): void {
    if (this.held.length === 0) return;
    const { held } = this;
    this.held = [];
    this.heldBytes = 0;
    this.options.stats.proposalsHeld = 0;
    for (const item of held) {
      if (this.options.now() - item.since > this.options.limits.heldMs)
        this.refuse(item.proposals, item.origin, Errors.NoLeader);
      else this.route(item.proposals, item.origin, item.since);
    }
  }

  /** Refuses what waits: this member stops. */
  close(): void {
    for (const { proposals, origin } of this.held) this.refuse(proposals, origin, Errors.Stopped);
    this.held = [];
  }

  /** Cuts a batch into runs of plain proposals, which go together, and special ones, which go alone. */
  private submit(proposals: readonly Proposal[], origin: Origin): void {
    if (this.isBehind()) return this.refuse(proposals, origin, Errors.TooManyRequests);
    const { now } = this.options;
    let from = 0;
    proposals.forEach((proposal, i) => {
      if (!proposal.conf && proposal.requireTerm === 0) return;
      if (i > from) this.route(proposals.slice(from, i), origin, now());
      if (proposal.requireTerm !== 0) this.proposeInTerm(proposal, origin);
      else this.route([proposal], origin, now());
      from = i + 1;
    });
    if (from === 0) this.route(proposals, origin, now());
    else if (from < proposals.length) this.route(proposals.slice(from), origin, now());
  }

  private isBehind(): boolean {
    const { limits, backlog } = this.options;
    const { entries, attached } = backlog();
    return entries > (attached ? limits.backlogAttached : limits.backlogDetached);
  }

  private proposeInTerm(proposal: Proposal, origin: Origin): void {
    const result = this.options.consensus.core.propose([entryOf(proposal)], proposal.requireTerm);
    if (result === 'ok') return;
    this.refuse([proposal], origin, result === 'uncommitted-limit' ? Errors.TooManyRequests : Errors.NotLeader);
  }

  /** Proposals of one kind: all plain, or one that changes the configuration. */
  private route(proposals: readonly Proposal[], origin: Origin, since: number): void {
    if (proposals.length === 0) return;
    const refusal = this.refusalOfChange(proposals[0], typeof origin !== 'bigint');
    if (refusal !== undefined) return this.refuse(proposals, origin, refusal);
    const { core } = this.options.consensus;
    const result = core.propose(proposals.map(entryOf));
    if (result === 'ok') {
      this.options.stamps.appended(core.lastIndex, proposals.length, toHostMicros(since), this.forwardedFrom);
      return this.options.traces.appended(proposals, core.lastIndex);
    }
    if (result === 'uncommitted-limit') return this.refuse(proposals, origin, Errors.TooManyRequests);
    // What was forwarded goes no further, and the other member does not hold it either: it is told at once.
    if (typeof origin === 'bigint') return this.refuse(proposals, origin, refusalOf(result));
    if (result !== 'not-leader' || !this.forward(proposals, since)) this.hold(proposals, origin, since);
  }

  private refusalOfChange(first: Proposal | undefined, isOwn: boolean): CatalogueError | undefined {
    return first?.conf ? this.options.refusalOfChange(first.entry, isOwn) : undefined;
  }

  private forward(proposals: readonly Proposal[], since: number): boolean {
    const { consensus, peers, stats } = this.options;
    const leader = peers.get(consensus.core.leader);
    if (leader === undefined || !leader.canForward) return false;
    leader.forward(proposals, since);
    this.options.traces.forwarded(proposals, consensus.core.leader);
    stats.proposalsForwarded += proposals.length;
    return true;
  }

  private hold(proposals: readonly Proposal[], origin: Origin, since: number): void {
    const { limits, stats } = this.options;
    let bytes = 0;
    for (const proposal of proposals) bytes += proposal.entry.length + 64;
    const tooMany = stats.proposalsHeld + proposals.length > limits.heldProposals;
    if (tooMany || this.heldBytes + bytes > limits.heldBytes)
      return this.refuse(proposals, origin, Errors.TooManyRequests);
    this.held.push({ proposals, bytes, since, origin });
    this.heldBytes += bytes;
    stats.proposalsHeld += proposals.length;
  }

  private refuse(proposals: readonly Proposal[], to: Origin, error: CatalogueError): void {
    this.options.stats.proposalsRefused += proposals.length;
    const peer = typeof to === 'bigint' ? this.options.peers.get(to) : undefined;
    for (const { origin, sequence } of proposals) {
      const reply = { origin, sequence, error: error.id };
      if (typeof to !== 'bigint') to.push(reply);
      else peer?.queueProposalReply(reply);
    }
  }
}

function entryOf(proposal: Proposal): ProposedEntry {
  return { type: proposal.conf ? 1 : 0, data: proposal.entry };
}

/** What a member that was taken for the leader says to a forwarded proposal. */
function refusalOf(result: ProposeResult): CatalogueError {
  return result === 'conf-pending' ? Errors.Unhealthy : Errors.LeaderChanged;
}
