import type { ProcessConfig } from '../../libs/config';
import { Errors, type CatalogueError } from '../../libs/errors';
import { type DataProcessContext, type Logger, StartError } from '../../libs/process';
import { type ConfState, type Message, MessageType, type NodeId, type SoftState } from '../../libs/raft';
import type { UnaryCall } from '../../libs/rpc';
import { hostMicros, type MetricFamily, type Tracing } from '../../libs/telemetry';
import type { Wal } from '../../libs/wal';
import {
  type ConfChange,
  ConfChangeType,
  decodeRaftMoveLeaderRequest,
  encodePeerBatch,
  encodePeerMembersResponse,
  encodeRaftMoveLeaderResponse,
  type PeerBatch,
  type StoreSnapshot,
} from '../../proto/gen/hexad';
import { CommitMoments } from './commit-moments';
import { ClockCheck } from './clock-check';
import type { PeerMember, RaftSettings } from './config';
import { bestSuccessor, Consensus } from './consensus';
import { Deliver } from './deliver';
import type { MemberBook } from './conf-changes';
import { ConfGuard } from './conf-guard';
import type { Opened } from './open';
import { peerClientTls } from '../../libs/peer-address';
import { AllPeerCounts } from './peers/peer-counts';
import { askClock } from './peers/peer-clock';
import { PeerEncoder } from './peers/peer-codec';
import type { PeerStamps } from './peers/peer';
import { PeerSet } from './peers/peer-set';
import { PeerServer, type PeerServerOptions, refusalOfHello, REMOVED } from './peers/peer-server';
import { Proposals } from './proposals';
import { Reads } from './reads';
import { Relay } from './relay';
import { Snapshots } from './snapshots/snapshots';
import { raftMetrics } from './metrics';
import { createStats } from './stats';
import { StatusFeed } from './status';
import { EntryStamps } from './stamps';
import { ProposalTraces } from './traces';
import { UnfitStore } from './unfit-store';

/** Refusals of a peer are said in the log no more often than this. */
const REFUSAL_LOG_MS = 10_000;

/** Refuses what would be written. */
const NO_ROOM = { entries: Number.POSITIVE_INFINITY, attached: true };

interface Transfer {
  readonly target: NodeId;
  readonly until: number;
  readonly done: (error: CatalogueError | undefined) => void;
}

/** All parts of the raft process, wired together; `server.ts` gives them their listeners. */
export class RaftHost {
  readonly stats = createStats();
  private readonly peerCounts = new AllPeerCounts();
  readonly proposals: Proposals;
  private readonly traces: ProposalTraces;
  private readonly stamps: EntryStamps;
  private readonly commits: CommitMoments | undefined;
  /** When each member's last append came, on the host's clock. */
  private readonly appendsAt = new Map<NodeId, number>();
  readonly reads: Reads;
  readonly deliver: Deliver;
  readonly status: StatusFeed;
  readonly relay: Relay;
  readonly peerServer: PeerServer;
  readonly snapshots: Snapshots;
  private readonly unfitStore: UnfitStore;

  private readonly clocks: ClockCheck;

  private readonly consensus: Consensus;
  private readonly peers: PeerSet;
  private readonly wal: Wal;
  private readonly book: MemberBook;
  /** Who was there when this member joined; counts until the log says who is. */
  private readonly hints: readonly PeerMember[];
  /** Members of this cluster that the log does not tell of (yet), by what they say of themselves. */
  private readonly strangers = new Map<NodeId, PeerMember>();
  /** Reply streams with something to send at the end of the turn. */
  private readonly dirty = new Set<{ flush(): void }>();
  private readonly refusalsLogged = new Map<string, number>();
  private transfers: Transfer[] = [];
  private ticker: NodeJS.Timeout | undefined;
  private hasAdvanced = false;

  constructor(
    config: ProcessConfig,
    private readonly settings: RaftSettings,
    opened: Opened,
    private readonly logger: Logger,
    private readonly endings: Pick<DataProcessContext, 'fatal' | 'removed'>,
    tracing: Tracing,
  ) {
    const { wal, core, book, nonce } = opened;
    const { fatal } = endings;
    const { stats, dirty } = this;
    const { limits } = settings;
    const now = (): number => performance.now();
    this.wal = wal;
    this.book = book;
    this.hints = opened.hints;
    this.commits = settings.stageStamps ? new CommitMoments(hostMicros) : undefined;
    this.stamps = new EntryStamps(settings.memberId, hostMicros, settings.stageStamps, settings.heartbeatMs);
    const { stamps } = this;
    this.peers = new PeerSet(settings.memberId, {
      engine: config.rpcEngine,
      queueBytes: limits.queueBytes,
      encoder: new PeerEncoder(),
      stats,
      counts: this.peerCounts,
      tls: (host) => peerClientTls(config.tls.peer, host),
      hello: (to) => {
        const { clusterId, memberId: from, serverVersion } = settings;
        const peerUrls = [...config.urls.advertisePeer];
        return encodePeerBatch({ hello: { clusterId, from, to, nonce, serverVersion, peerUrls } });
      },
      stamps: settings.stageStamps ? this.peerStamps() : undefined,
      onLost: (id) => this.peerLost(id),
      onConnected: (id) => this.peerConnected(id),
      onSnapshot: (id) => this.snapshots.send(id),
      onRefused: (id, url, reason) => {
        if (reason.message === REMOVED.message) this.leave(reason.message);
        this.logRefusal(`peer ${id.toString(16)} at ${url}`, reason.message);
      },
    });
    const { peers } = this;
    this.consensus = new Consensus(core, wal, this.events(), stats, fatal);
    const { consensus } = this;
    const shared = { consensus, limits, stats, now, dirty };
    this.snapshots = new Snapshots({
      config,
      settings,
      opened,
      consensus,
      peers,
      logger,
      now,
      durableIndex: () => this.deliver.durableIndex,
      onReplaced: (conf) => this.membersChanged(conf),
      refusalOf: (hello) => refusalOfHello(this.helloChecks, hello),
    });
    const recordInstalled = (snapshot: StoreSnapshot): boolean => this.snapshots.record(snapshot);
    const { commits } = this;
    this.deliver = new Deliver({ consensus, wal, settings, stats, stamps, commits, fatal, recordInstalled });
    this.unfitStore = new UnfitStore({
      consensus,
      peers,
      logger,
      now,
      condition: () => this.deliver.condition,
      isReceiving: () => this.snapshots.receiver.isReceiving,
    });
    this.traces = new ProposalTraces(tracing, config.name);
    const guard = new ConfGuard({
      core,
      book,
      isStrict: settings.strictReconfigCheck,
      now,
      connectedSince: (id) => peers.get(id)?.connectedSince,
    });
    this.proposals = new Proposals({
      ...shared,
      peers,
      traces: this.traces,
      stamps,
      backlog: () => (this.snapshots.isFull ? NO_ROOM : this.deliver.backlog()),
      refusalOfChange: (entry, isOwn) => guard.refusalOf(entry, isOwn),
    });
    this.reads = new Reads(shared);
    this.status = new StatusFeed(consensus, settings);
    this.relay = new Relay({ ...shared, memberId: settings.memberId, peers });
    this.peerServer = this.createPeerServer(fatal);
    this.clocks = this.createClockCheck();
  }

  /** Begins to tick. A sole voter campaigns at once. */
  start(): void {
    this.peers.update(this.knownMembers());
    const { core } = this.consensus;
    const { voters } = core.confState;
    this.logger.info(
      {
        'cluster-id': this.settings.clusterId.toString(16),
        'local-member-id': core.id.toString(16),
        term: core.term,
        commit: core.commit,
        'last-index': core.lastIndex,
      },
      'starting local etcd member',
    );
    if (voters.length === 1 && voters[0] === core.id) core.campaign();
    this.ticker = setInterval(() => this.tick(), this.settings.heartbeatMs);
    this.consensus.schedule();
  }

  /**
   * Hands leadership to the best follower and waits for it at most one election timeout. A leader that has only just
   * been elected may not have heard of anybody yet: it then waits for its followers first.
   */
  handOver(): Promise<void> {
    const giveUpAt = performance.now() + this.settings.electionMs;
    return new Promise((resolve) => {
      const attempt = (): void => {
        const { core, isLeader } = this.consensus;
        if (!isLeader || core.confState.voters.length < 2) return resolve();
        const target = bestSuccessor(core);
        if (target !== 0n) this.transfer(target, () => resolve());
        else if (performance.now() >= giveUpAt) resolve();
        else setTimeout(attempt, this.settings.heartbeatMs);
      };
      attempt();
    });
  }

  /** Answers what waits: this process takes no more work. */
  refuseNew(): void {
    this.proposals.close();
    this.reads.close();
    this.flushReplies();
  }

  async stop(): Promise<void> {
    clearInterval(this.ticker);
    this.clocks.stop();
    this.consensus.stop();
    this.snapshots.close();
    this.peers.close();
    await this.wal.close();
  }

  readonly moveLeader = (call: UnaryCall): void => {
    let targetId: NodeId;
    try {
      ({ targetId } = decodeRaftMoveLeaderRequest(call.request));
    } catch {
      return call.fail(Errors.MalformedRequest);
    }
    this.transfer(targetId, (error) => call.reply(encodeRaftMoveLeaderResponse({ error: error?.id ?? 0 })));
  };

  private transfer(target: NodeId, done: Transfer['done']): void {
    const result = this.consensus.core.transferLeader(target);
    if (result === 'not-leader') return done(Errors.NotLeader);
    if (result === 'not-a-voter') return done(Errors.BadLeaderTransferee);
    if (result === 'already-leader') return done(undefined);
    this.transfers.push({ target, until: performance.now() + this.settings.electionMs, done });
    this.consensus.schedule();
  }

  private events(): ConstructorParameters<typeof Consensus>[2] {
    return {
      beforeTurn: () => this.reads.ask(),
      send: (messages) => {
        this.advanceStamps(); // before what tells the followers of a commit is sent
        this.peers.send(messages);
      },
      flushPeers: () => this.peers.flush(),
      readConfirmed: (states) => this.reads.confirmed(states),
      readsDropped: (contexts) => this.reads.dropped(contexts),
      leadershipChanged: (state) => this.leadershipChanged(state),
      stepsOf: (index, change) => (index <= this.book.index ? [] : this.book.apply(index, change)),
      configurationChanged: (conf, change) => this.configurationChanged(conf, change),
      afterTurn: () => {
        this.advanceStamps();
        this.deliver.send();
        this.snapshots.afterTurn();
        this.traces.persisted(this.consensus.core.persistedIndex, this.wal.lastSyncMs);
        this.traces.committed(this.consensus.core.commit);
        this.status.update();
        this.flushReplies();
      },
    };
  }

  private advanceStamps(): void {
    const { core } = this.consensus;
    this.stamps.advance(core.persistedIndex, core.commit, this.wal.lastSyncMs * 1000);
    this.commits?.advance(core.commit);
  }

  private peerStamps(): PeerStamps {
    return {
      clock: hostMicros,
      takeFor: (id) => this.stamps.takeFor(id),
      appendHeld: (id) => Math.max(0, Math.round(hostMicros() - (this.appendsAt.get(id) ?? hostMicros()))),
      fsyncMicros: () => Math.round(this.wal.lastSyncMs * 1000),
    };
  }

  /** Notes when a member's append came, and what another one's acknowledgement says. */
  private stampMessages(from: NodeId, messages: readonly Message[], batch: PeerBatch): void {
    if (!this.settings.stageStamps) return;
    for (const { type, index, reject, entries } of messages) {
      if (type === MessageType.Append && entries.length > 0) this.appendsAt.set(from, hostMicros());
      else if (type === MessageType.AppendReply && !reject) {
        this.stamps.acknowledged(from, index, batch.appendHeld, batch.appendFsync);
      }
    }
  }

  /** What this process tells of itself. */
  readonly metrics = (): MetricFamily[] => {
    const { core } = this.consensus;
    const { voters, learners } = core.confState;
    for (const id of [...voters, ...learners]) if (id !== core.id) this.peerCounts.of(id); // rates then begin at zero
    const followers = core.progress().filter(({ id }) => id !== core.id);
    return raftMetrics({
      self: core.id,
      stats: this.stats,
      wal: this.wal,
      peers: this.peerCounts,
      isConnected: (id) => this.peers.get(BigInt(`0x${id}`))?.isConnected ?? false,
      term: () => core.term,
      lags: () => followers.map(({ id, match }) => [id.toString(16), Math.max(0, core.lastIndex - match)] as const),
      backlog: () => this.deliver.backlog().entries,
    });
  };

  private flushReplies(): void {
    for (const stream of this.dirty) stream.flush();
    this.dirty.clear();
  }

  private createPeerServer(fatal: (error: unknown) => never): PeerServer {
    return new PeerServer({
      ...this.helloChecks,
      onHello: ({ from, serverVersion, peerUrls }) => {
        this.status.heardOf(from, serverVersion);
        this.heardOfStranger(from, peerUrls);
      },
      stats: this.stats,
      counts: this.peerCounts,
      fatal,
      onMessages: (from, messages, batch) => {
        this.stampMessages(from, messages, batch);
        if (messages.some(({ type }) => type === MessageType.HeartbeatReply))
          this.peerCounts.of(from).heartbeatAnswered(performance.now());
        const takesEntries = !this.snapshots.isFull;
        for (const message of messages) {
          if (message.from !== from) continue;
          if (message.entries.length > 0) this.traces.replicated(message.entries);
          if (takesEntries || message.entries.length === 0) this.consensus.core.step(message);
        }
        this.consensus.schedule();
      },
      onExtras: (from, batch) => {
        if (batch.forwarded.length > 0) this.stamps.told(batch.forwarded);
        const { proposals, forwardArrived, forwardSent } = batch;
        if (proposals.length > 0)
          this.proposals.forwarded({ member: from, arrived: forwardArrived, sent: forwardSent }, proposals);
        if (batch.proposalReplies.length > 0) this.proposals.forwardedRefused(batch.proposalReplies);
        if (batch.relayRequests.length > 0) this.relay.fromPeer(from, batch.relayRequests);
        if (batch.relayReplies.length > 0) this.relay.replies(batch.relayReplies);
        if (batch.wantsStore) this.snapshots.send(from);
        this.consensus.schedule();
      },
      onRefused: (remote, reason) => this.logRefusal(`stream from ${remote}`, reason),
    });
  }

  private get helloChecks(): Pick<PeerServerOptions, 'memberId' | 'clusterId' | 'wasRemoved'> {
    const { memberId, clusterId } = this.settings;
    return { memberId, clusterId, wasRemoved: (id) => this.book.wasRemoved(id) };
  }

  /** Who the cluster is, for a member that is to join. */
  readonly members = (call: UnaryCall): void => {
    const { members, removed } = this.book;
    const { clusterId } = this.settings;
    const list = members.map(({ id, name, peerUrls, isLearner }) => ({ id, name, peerUrls: [...peerUrls], isLearner }));
    const { started } = this.deliver;
    const wallMs = Date.now();
    call.reply(encodePeerMembersResponse({ clusterId, members: list, removed: [...removed], started, wallMs }));
  };

  private createClockCheck(): ClockCheck {
    const { settings, consensus, book, logger, endings } = this;
    return new ClockCheck({
      self: settings.memberId,
      voters: () => consensus.core.confState.voters,
      nameOf: (id) => book.members.find((member) => member.id === id)?.name || id.toString(16),
      ask: (id) => askClock(this.peers, id),
      now: () => performance.now(),
      wallClock: Date.now,
      logger,
      refuse: (reason) => endings.fatal(new StartError(reason)),
    });
  }

  private tick(): void {
    this.stamps.tick();
    this.consensus.core.tick();
    const target = this.consensus.handOverIfStalled(this.settings.electionMs);
    if (target !== 0n)
      this.logger.warn({ to: target.toString(16) }, 'the WAL does not sync: leadership is handed over');
    this.unfitStore.tick();
    this.clocks.tick();
    this.proposals.retryHeld();
    this.reads.tick();
    this.relay.tick();
    this.snapshots.tick();
    this.endTransfers();
    this.consensus.schedule();
  }

  private endTransfers(): void {
    if (this.transfers.length === 0) return;
    const now = performance.now();
    const { leader } = this.consensus.core;
    this.transfers = this.transfers.filter(({ target, until, done }) => {
      if (leader !== target && now < until) return true;
      done(leader === target ? undefined : Errors.TimeoutLeaderTransfer);
      return false;
    });
  }

  private leadershipChanged({ leader, role, term }: SoftState): void {
    this.stats.leaderChanges += 1;
    this.logger.info({ leader: leader.toString(16), role, term }, leader === 0n ? 'lost leader' : 'elected leader');
    this.endTransfers();
    if (role !== 'leader') {
      this.traces.leadershipLost();
      this.stamps.leadershipLost();
      this.leaveIfRemoved();
    }
    this.proposals.retryHeld();
  }

  private configurationChanged(conf: ConfState, change: ConfChange | undefined): void {
    if (change?.type === ConfChangeType.CONF_REMOVE && this.book.wasRemoved(change.nodeId)) {
      this.snapshots.forget(change.nodeId);
      this.peerServer.dismiss(change.nodeId);
    }
    this.membersChanged(conf);
    this.leaveIfRemoved();
  }

  /** A member that joins, or is far behind, answers the others before the log has told it of them. */
  private knownMembers(): readonly PeerMember[] {
    const { book, settings, strangers } = this;
    const known = new Set(book.members.map(({ id }) => id));
    const hints = known.has(settings.memberId) ? [] : this.hints;
    const others = new Map([...hints, ...strangers.values()].map((member) => [member.id, member]));
    for (const id of others.keys()) if (known.has(id) || book.wasRemoved(id)) others.delete(id);
    return [...book.members, ...others.values()];
  }

  /** It may have joined after everything that this member knows, and lead; without an answer it would wait for ever. */
  private heardOfStranger(id: NodeId, peerUrls: readonly string[]): void {
    const { book, strangers } = this;
    const isKnown = book.members.some((member) => member.id === id) || book.wasRemoved(id);
    if (isKnown || peerUrls.length === 0 || strangers.get(id)?.peerUrls.join() === peerUrls.join()) return;
    strangers.set(id, { id, name: '', peerUrls });
    this.peers.update(this.knownMembers());
  }

  /** A leader that removed itself leads on until another has taken over (the core sees to that). */
  private leaveIfRemoved(): void {
    if (!this.book.wasRemoved(this.settings.memberId) || this.consensus.isLeader) return;
    // Two turns later, so that what told of it is answered.
    setImmediate(() => setImmediate(() => this.leave(REMOVED.message)));
  }

  private leave(reason: string): never {
    return this.endings.removed(reason);
  }

  private membersChanged(conf: ConfState): void {
    this.peers.update(this.knownMembers());
    this.logger.info({ voters: conf.voters.map((id) => id.toString(16)) }, 'the configuration has changed');
  }

  private peerConnected(id: NodeId): void {
    this.snapshots.reconnected(id);
    void this.clocks.compare(id);
    this.advanceFirstElection();
    this.proposals.retryHeld();
    this.consensus.schedule();
  }

  private peerLost(id: NodeId): void {
    this.consensus.core.reportUnreachable(id);
    this.relay.peerLost(id);
  }

  /** A member that starts with others need not wait a whole timeout for a leader that is not there yet. */
  private advanceFirstElection(): void {
    const { core } = this.consensus;
    const quorum = Math.floor(core.confState.voters.length / 2) + 1;
    if (this.hasAdvanced || this.peers.connected + 1 < quorum) return;
    this.hasAdvanced = true;
    if (!this.settings.initialElectionTickAdvance || core.leader !== 0n) return;
    for (let i = 0; i < this.settings.electionTicks - 2; i += 1) core.tick();
  }

  private logRefusal(who: string, reason: string): void {
    const now = performance.now();
    const key = `${who} ${reason}`;
    if (now - (this.refusalsLogged.get(key) ?? Number.NEGATIVE_INFINITY) < REFUSAL_LOG_MS) return;
    if (this.refusalsLogged.size > 1000) this.refusalsLogged.clear();
    this.refusalsLogged.set(key, now);
    this.logger.warn({ peer: who, error: reason }, 'peer link failed');
  }
}
