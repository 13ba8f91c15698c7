import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Errors } from '../../errors';
import {
  batchHandler,
  type BatchHandler,
  createServer,
  type Handlers,
  type RpcServer,
  type StreamCall,
} from '../../rpc';
import {
  decodeLeaseTimeToLiveRequest,
  encodeLeaseTimeToLiveResponse,
  decodeLeaseRevokeRequest,
} from '../../../proto/gen/etcdserverpb';
import * as hexad from '../../../proto/gen/hexad';

export const MEMBER_ID = 0xa1n;
export const OTHER_MEMBER_ID = 0xb2n;

interface FakeLease {
  readonly id: bigint;
  readonly ttl: number;
  remainingTtl: number;
  readonly grantedIndex: number;
}

interface Subscriber {
  readonly call: StreamCall;
  readonly origin: number;
}

/** `raft` and `storage` of one member as their siblings see them: a log in memory that applies at once. */
export class FakeMember {
  readonly directory = mkdtempSync(join(tmpdir(), 'hexad-fake-'));
  readonly addresses = {
    raft: `unix:${this.directory}/raft.sock`,
    storage: `unix:${this.directory}/storage.sock`,
    lease: `unix:${this.directory}/lease.sock`,
    auth: `unix:${this.directory}/auth.sock`,
  };
  /** Every entry that was proposed, with its proposal. */
  readonly proposed: { proposal: hexad.Proposal; entry: hexad.Entry }[] = [];
  readonly leases = new Map<bigint, FakeLease>();
  readonly tokens: hexad.TokenAssign[] = [];
  readonly users = new Map<string, { hash: Uint8Array; noPassword: boolean }>();
  /** What the siblings registered for relays were asked to do, by the other member's test. */
  readonly relayed: hexad.RelayRequest[] = [];
  authEnabled = true;
  authRevision = 5;
  readIndexRounds = 0;
  index = 10;
  term = 3;
  private appliedTerm = 3;
  leaderId = MEMBER_ID;
  /** Proposals vanish without an answer. */
  losesProposals = false;
  /** Not 0: proposals are refused with this error. */
  refusesWith = 0;
  /** Read index rounds are not answered. */
  holdsReadIndexes = false;
  /** What the leading member answers to a relay: undefined: nothing. */
  relayAnswer: ((request: hexad.RelayRequest) => { error: number; payload: Uint8Array } | undefined) | undefined;
  /** The feed shows nothing of what is applied until `showFeed`. */
  feedHeld = false;
  private heldFeed: hexad.FeedBatchInput[] = [];
  private readonly statusCalls = new Set<StreamCall>();
  private readonly feeds = new Set<StreamCall>();
  private readonly results = new Set<Subscriber>();
  private serveCall: StreamCall | undefined;
  private readonly relayReplies = new Map<number, (reply: hexad.RelayReply) => void>();
  private lastRelay = 0;
  private raft: RpcServer | undefined;
  private storage: RpcServer | undefined;

  async start(): Promise<void> {
    await this.startRaft();
    this.storage = createServer();
    this.storage.addHandlers(this.storageHandlers());
    await this.storage.listen({ kind: 'unix', path: `${this.directory}/storage.sock` });
  }

  async startRaft(): Promise<void> {
    this.raft = createServer();
    this.raft.addHandlers(this.raftHandlers());
    await this.raft.listen({ kind: 'unix', path: `${this.directory}/raft.sock` });
  }

  async stopRaft(): Promise<void> {
    await this.raft?.close();
  }

  async stop(): Promise<void> {
    await this.raft?.close();
    await this.storage?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A new term: its first entry is applied unless told otherwise. */
  lead(leaderId: bigint, options: { applied: boolean } = { applied: true }): void {
    this.term += 1;
    this.leaderId = leaderId;
    for (const call of this.statusCalls) call.send(this.status());
    if (options.applied) this.applyTermStart();
  }

  applyTermStart(): void {
    this.index += 1;
    this.appliedTerm = this.term;
    this.feed({});
    for (const { call } of this.results) call.send(hexad.encodeResultBatch({ termStarted: this.term }));
  }

  loseLeader(): void {
    this.leaderId = 0n;
    for (const call of this.statusCalls) call.send(this.status());
  }

  grant(id: bigint, ttl: number): void {
    this.index += 1;
    const lease = { id, ttl, remainingTtl: 0, grantedIndex: this.index };
    this.leases.set(id, lease);
    this.feed({ leases: [lease] });
  }

  showFeed(): void {
    this.feedHeld = false;
    for (const batch of this.heldFeed) this.feed(batch);
    this.heldFeed = [];
  }

  /** Asks this member's lease process as another member's would. */
  relayIn(method: number, payload: Uint8Array): Promise<hexad.RelayReply> {
    this.lastRelay += 1;
    const id = this.lastRelay;
    this.serveCall?.send(hexad.encodeRelayBatch({ requests: [{ id, process: 'lease', method, payload }] }));
    return new Promise((resolve) => this.relayReplies.set(id, resolve));
  }

  private raftHandlers(): Handlers {
    return {
      stream: {
        [hexad.RAFT_PATHS.Status]: (call) => {
          this.statusCalls.add(call);
          call.onClose(() => this.statusCalls.delete(call));
          call.onMessage(() => call.send(this.status()));
        },
        [hexad.RAFT_PATHS.ReadIndex]: (call) =>
          call.onMessage((message) => {
            this.readIndexRounds += 1;
            if (this.holdsReadIndexes) return;
            const { context } = hexad.decodeReadIndexBatch(message);
            const error = this.leaderId === 0n ? Errors.NoLeader.id : 0;
            call.send(hexad.encodeReadIndexReplyBatch({ replies: [{ context, index: this.index, error }] }));
          }),
        [hexad.RAFT_PATHS.Propose]: (call) =>
          call.onMessage((message) => {
            for (const proposal of hexad.decodeProposeBatch(message).proposals) this.propose(call, proposal);
          }),
        [hexad.RAFT_PATHS.Relay]: (call) =>
          call.onMessage((message) => {
            for (const request of hexad.decodeRelayBatch(message).requests) {
              this.relayed.push(request);
              const answer = this.relayAnswer?.(request);
              if (answer === undefined) continue;
              call.send(hexad.encodeRelayReplyBatch({ replies: [{ id: request.id, ...answer }] }));
            }
          }),
        [hexad.RAFT_PATHS.Serve]: (call) =>
          call.onMessage((message) => {
            const { serve, replies } = hexad.decodeRelayServeBatch(message);
            if (serve !== '') this.serveCall = call;
            for (const reply of replies) this.relayReplies.get(reply.id)?.(reply);
          }),
      },
    };
  }

  private storageHandlers(): Handlers {
    return {
      stream: {
        [hexad.STORAGE_PATHS.Read]: batchHandler(this.read),
        [hexad.STORAGE_PATHS.Results]: (call) =>
          call.onMessage((message) => {
            const subscriber = { call, origin: hexad.decodeResultsRequest(message).origin };
            this.results.add(subscriber);
            call.onClose(() => this.results.delete(subscriber));
          }),
        [hexad.STORAGE_PATHS.Feed]: (call) =>
          call.onMessage(() => {
            this.feeds.add(call);
            call.onClose(() => this.feeds.delete(call));
            const leases = [...this.leases.values()];
            call.send(hexad.encodeFeedBatch({ snapshot: true, snapshotEnd: true, leases, ...this.position() }));
          }),
      },
    };
  }

  private readonly read: BatchHandler = (calls, peer) => {
    for (const { id, method, payload } of calls) {
      if (method === hexad.StorageMethod.STORAGE_LEASE_TIME_TO_LIVE) {
        const lease = this.leases.get(BigInt(decodeLeaseTimeToLiveRequest(payload).ID));
        const body = lease === undefined ? { TTL: -1 } : { grantedTTL: lease.ttl };
        peer.reply(id, 0, encodeLeaseTimeToLiveResponse(body));
      } else if (method === hexad.StorageMethod.STORAGE_USER_CREDENTIALS) {
        const user = this.users.get(hexad.decodeUserCredentialsRequest(payload).name);
        const found = user !== undefined;
        const { authEnabled, authRevision } = this;
        const noPassword = user?.noPassword ?? false;
        const credentials = { found, noPassword, passwordHash: user?.hash, authRevision, authEnabled };
        peer.reply(id, 0, hexad.encodeUserCredentials(credentials));
      } else peer.reply(id, Errors.UnknownMethod.id);
    }
  };

  private propose(call: StreamCall, proposal: hexad.Proposal): void {
    const entry = hexad.decodeEntry(proposal.entry);
    this.proposed.push({ proposal, entry });
    if (this.losesProposals) return;
    const { origin, sequence, requireTerm } = proposal;
    const stale = requireTerm !== 0 && (requireTerm !== this.term || this.leaderId !== MEMBER_ID);
    const error = stale ? Errors.NotLeader.id : this.refusesWith;
    if (error !== 0) {
      call.send(hexad.encodeProposeReplyBatch({ replies: [{ origin, sequence, error }] }));
      return;
    }
    this.index += 1;
    const result = this.apply(entry);
    for (const subscriber of this.results) {
      if (subscriber.origin !== origin) continue;
      subscriber.call.send(hexad.encodeResultBatch({ results: [{ sequence, error: result, index: this.index }] }));
    }
  }

  private apply(entry: hexad.Entry): number {
    if (entry.kind === hexad.EntryKind.ENTRY_LEASE_REVOKE) {
      const id = BigInt(decodeLeaseRevokeRequest(entry.body).ID);
      if (!this.leases.delete(id)) return Errors.LeaseNotFound.id;
      this.feed({ leases: [{ id, revoked: true }] });
    } else if (entry.kind === hexad.EntryKind.ENTRY_LEASE_CHECKPOINT) {
      for (const { id, remainingTtl } of hexad.decodeLeaseCheckpoints(entry.body).checkpoints) {
        const lease = this.leases.get(id);
        if (lease === undefined) continue;
        lease.remainingTtl = remainingTtl;
        this.feed({ leases: [lease] });
      }
    } else if (entry.kind === hexad.EntryKind.ENTRY_TOKEN_ASSIGN) {
      const token = hexad.decodeTokenAssign(entry.body);
      if (token.authRevision < this.authRevision) return Errors.AuthOldRevision.id;
      this.tokens.push(token);
    }
    return 0;
  }

  private feed(batch: hexad.FeedBatchInput): void {
    if (this.feedHeld) {
      this.heldFeed.push(batch);
      return;
    }
    const message = hexad.encodeFeedBatch({ ...batch, ...this.position() });
    for (const call of this.feeds) call.send(message);
  }

  private position(): hexad.FeedBatchInput {
    return { appliedIndex: this.index, appliedTerm: this.appliedTerm };
  }

  private status(): Uint8Array {
    const { term, leaderId } = this;
    return hexad.encodeRaftStatus({ memberId: MEMBER_ID, term, leaderId, termStartIndex: this.index });
  }
}
