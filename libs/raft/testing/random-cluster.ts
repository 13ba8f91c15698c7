import type { Raft } from '../raft';
import { EntryType, MessageType } from '../types';
import type { LogIndex, Message, NodeId, Ready } from '../types';
import {
  checkLogMatching,
  DurablePromises,
  ElectionSafety,
  LeaderCompleteness,
  OneVote,
  ReadFreshness,
  StateMachineSafety,
  Violation,
} from './checkers';
import { toBytes } from './conf-text';
import { Random } from './random';
import type { NodeSettings } from './sim-node';
import { SimNode } from './sim-node';
import { traceConf } from './trace';

/** A planted bug, for canaries. */
export interface Bug {
  /** Spoils a member at its start and after each restart. */
  readonly spoil?: (raft: Raft, node: SimNode) => void;
  /** The host sends what should wait for a sync at once. */
  readonly sendsBeforeSync?: boolean;
  /** The host loses term and vote at a crash. */
  readonly forgetsVote?: boolean;
  /** Crashes, partitions and pauses are so many times as frequent: some bugs show only there. */
  readonly unrest?: number;
}

export interface RunOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly bug?: Bug;
}

/** What happened in a run; a run without elections or crashes shows nothing. */
export interface RunTotals {
  elections: number;
  crashes: number;
  applied: number;
  reads: number;
  confChanges: number;
  joint: number;
  snapshots: number;
}

const MEMBERS = [1n, 2n, 3n, 4n, 5n] as const;
const START = { index: 1, term: 1 } as const;

/**
 * A cluster of up to five members on a network that drops, delays, repeats and reorders, on disks that lose what is not
 * synced, with pauses, partitions, transfers, configuration changes, compactions and snapshots; all from one seed.
 */
export class RandomCluster {
  private readonly random: Random;
  private readonly nodes = new Map<NodeId, SimNode>();
  private readonly lastApplied = new Map<NodeId, LogIndex>();
  private readonly paused = new Set<NodeId>();
  private cut = new Set<NodeId>();
  private network: Message[] = [];
  /** Copies that the network gives out once more much later, in other terms and after restarts. */
  private readonly stash: Message[] = [];
  private counter = 0;
  private faults = true;

  private readonly elections = new ElectionSafety();
  private readonly votes = new OneVote();
  private readonly promises = new DurablePromises();
  private readonly safety = new StateMachineSafety();
  private readonly completeness = new LeaderCompleteness(this.safety);
  private readonly reads = new ReadFreshness();
  readonly totals: RunTotals = {
    elections: 0,
    crashes: 0,
    applied: 0,
    reads: 0,
    confChanges: 0,
    joint: 0,
    snapshots: 0,
  };

  constructor(private readonly options: RunOptions) {
    this.random = new Random(options.seed);
    const voters = this.random.chance(0.5) ? MEMBERS.slice(0, 3) : [...MEMBERS];
    const conf = { voters, votersOutgoing: [], learners: [], learnersNext: [] };
    const none = { ...conf, voters: [] };
    for (const id of MEMBERS) {
      const isMember = voters.includes(id);
      const node = new SimNode(id, this.settings(), isMember ? conf : none, isMember ? START : { index: 0, term: 0 });
      // A promise is about the order of writes: a later one, synced together with it, may cut off what it promised.
      node.onDurable = (ready) => {
        for (const message of ready.messagesAfterPersist) this.promises.sent(node, message);
      };
      this.nodes.set(id, node);
      this.begin(node);
    }
  }

  private settings(): NodeSettings {
    const { random } = this;
    return {
      electionTicks: 10,
      heartbeatTicks: 1 + random.below(2),
      maxInflightMessages: 1 + random.below(8),
      maxInflightBytes: 200 + random.below(2000),
      maxMessageBytes: 50 + random.below(200),
      maxUncommittedBytes: 1000,
      maxCommittedBytes: 100 + random.below(300),
      preVote: random.chance(0.8),
      checkQuorum: true,
      random: () => random.next(),
      nonce: ++this.counter,
    };
  }

  private begin(node: SimNode): void {
    this.lastApplied.set(node.id, node.disk.store.applied);
    this.options.bug?.spoil?.(node.raft, node);
  }

  /** The whole run: first under faults, then healed, when everything must go on. Throws a Violation. */
  run(): RunTotals {
    for (let round = 0; round < this.options.rounds; round++) {
      this.inject();
      this.round();
      if (round % 25 === 0) checkLogMatching([...this.nodes.values()]);
    }
    this.heal();
    this.totals.reads = this.reads.answered;
    return this.totals;
  }

  private round(): void {
    for (const node of this.nodes.values()) {
      if (this.paused.has(node.id)) continue;
      if (this.random.chance(0.3)) node.raft.tick();
      this.work(node);
      if (this.random.chance(0.7)) this.sync(node);
    }
    this.deliver();
  }

  private work(node: SimNode): void {
    for (let ready = node.raft.ready(); ready !== undefined; ready = node.raft.ready()) this.process(node, ready);
  }

  private process(node: SimNode, ready: Ready): void {
    if (ready.snapshot !== undefined) {
      this.totals.snapshots++;
      this.lastApplied.set(node.id, ready.snapshot.index);
    }
    const messages = node.process(ready);
    if (ready.softState?.role === 'leader') this.noteLeader(node);
    for (const entry of ready.committed) this.noteApplied(node, entry.index);
    for (const read of ready.readStates) this.reads.answer(read);
    if (!this.options.bug?.sendsBeforeSync) for (const message of messages) this.promises.sent(node, message);
    const early = this.options.bug?.sendsBeforeSync ? ready.messagesAfterPersist.splice(0) : [];
    this.post(node, [...messages, ...early]);
  }

  private noteLeader(node: SimNode): void {
    this.totals.elections++;
    this.elections.leads(node.id, node.raft.term);
    this.completeness.leads(node, node.raft.term);
  }

  private noteApplied(node: SimNode, index: LogIndex): void {
    const entry = node.applied.find((candidate) => candidate.index === index);
    if (entry === undefined) throw new Error(`entry ${index} was not applied`);
    this.safety.applied(node, entry, this.lastApplied.get(node.id) as number);
    this.lastApplied.set(node.id, index);
    this.totals.applied++;
    if (entry.type === EntryType.Conf && node.conf.votersOutgoing.length > 0) this.totals.joint++;
  }

  private sync(node: SimNode): void {
    const count = this.random.below(node.unsynced.length + 1);
    this.post(node, node.sync(count));
  }

  private post(node: SimNode, messages: readonly Message[]): void {
    for (const message of messages) {
      this.votes.sent(message);
      if (message.type === MessageType.Snapshot) this.network.push({ ...message, snapshot: node.snapshot() });
      else this.network.push(message);
      if (message.type === MessageType.Snapshot) node.raft.reportSnapshot(message.to, this.random.chance(0.8));
    }
  }

  private deliver(): void {
    const later: Message[] = [];
    for (const message of this.random.shuffle(this.network)) {
      if (this.random.chance(0.01)) this.stash.push(message);
      if (this.faults && this.random.chance(0.02)) continue;
      if (this.paused.has(message.to) || this.random.chance(0.3)) later.push(message);
      else this.receive(message);
      if (this.faults && this.random.chance(0.02)) later.push(message);
    }
    this.network = later.slice(-500);
  }

  private receive(message: Message): void {
    if (this.cut.has(message.from) !== this.cut.has(message.to)) return;
    this.nodes.get(message.to)?.raft.step(copyOf(message));
  }

  // ---- what is done to it ----

  private inject(): void {
    const { random } = this;
    const unrest = this.options.bug?.unrest ?? 1;
    const node = random.pick([...this.nodes.values()]);
    if (random.chance(0.5)) this.propose(node);
    if (random.chance(0.3)) this.read(node);
    if (random.chance(0.01 * unrest)) this.crash(node);
    if (random.chance(0.01 * unrest)) this.cut = new Set(MEMBERS.filter(() => random.chance(0.4)));
    if (random.chance(0.03)) this.cut.clear();
    if (random.chance(0.01 * unrest)) this.paused.add(node.id);
    if (random.chance(0.03)) this.paused.clear();
    if (random.chance(0.01)) node.raft.transferLeader(random.pick(MEMBERS));
    if (random.chance(0.08)) this.changeConfiguration(node);
    if (random.chance(0.05)) this.compact(node);
    if (random.chance(0.02)) node.raft.reportUnreachable(random.pick(MEMBERS));
    if (random.chance(0.05)) node.storage.coldUpTo = random.below(node.storage.lastIndex + 1);
    if (random.chance(0.3)) warm(node);
    if (random.chance(0.1) && this.stash.length > 0) this.network.push(random.pick(this.stash));
  }

  private propose({ raft }: SimNode): void {
    const count = 1 + this.random.below(4);
    raft.propose(Array.from({ length: count }, () => ({ type: 0, data: toBytes(`v${++this.counter}`) })));
  }

  private read({ raft }: SimNode): void {
    const context = ++this.counter;
    this.reads.asked(context, this.safety.highest);
    raft.readIndex(context);
  }

  private crash(node: SimNode): void {
    const { random, options } = this;
    node.flushStore(random.next());
    if (options.bug?.forgetsVote) {
      node.unsynced = [];
      node.disk.hardState = { ...node.disk.hardState, term: START.term, vote: 0n };
    }
    node.restart(random.below(node.unsynced.length + 1), ++this.counter, random.below(5));
    this.totals.crashes++;
    this.begin(node);
  }

  private changeConfiguration(node: SimNode): void {
    const { random } = this;
    const letters = ['v', 'v', 'r', 'l', 'p'];
    const word = (): string => `${random.pick(letters)}${random.pick(MEMBERS)}`;
    const joint = node.raft.confState.votersOutgoing.length > 0;
    const words = joint ? 'leave' : random.chance(0.3) ? `${word()} ${word()}` : word();
    if (node.raft.propose([{ type: 1, data: toBytes(words) }]) === 'ok') this.totals.confChanges++;
  }

  private compact(node: SimNode): void {
    node.flushStore(1);
    const { applied } = node.disk.store;
    if (applied <= node.disk.log.lastIndex) node.compact(Math.max(0, applied - this.random.below(10)));
  }

  /** No faults any more: a new entry must reach every member of the configuration. */
  private heal(): void {
    this.faults = false;
    this.cut.clear();
    this.paused.clear();
    for (const node of this.nodes.values()) warm(node);
    for (let round = 0; round < 3000; round++) {
      this.round();
      const leader = [...this.nodes.values()].find((node) => node.raft.role === 'leader' && this.everyoneHas(node));
      if (leader !== undefined && leader.raft.commit > leader.raft.termStartIndex) return;
      for (const { raft } of this.nodes.values())
        if (round % 50 === 0) raft.propose([{ type: 0, data: toBytes('end') }]);
    }
    throw new Violation('liveness', `the healed cluster does not go on\n${this.describe()}`);
  }

  private describe(): string {
    const lines = [...this.nodes.values()].map(({ id, raft }) => {
      const { role, term, leader, commit, lastIndex, confState } = raft;
      const progress = raft.progress().map((one) => `${one.id}:${one.state}:${one.match}/${one.next}`);
      const words = [id, role, 'term', term, 'leader', leader, 'commit', commit, 'last', lastIndex];
      return [...words, traceConf(confState), ...progress].join(' ');
    });
    return lines.join('\n');
  }

  private everyoneHas(leader: SimNode): boolean {
    const { commit, lastIndex } = leader.raft;
    if (commit !== lastIndex) return false;
    return leader.raft.progress().every(({ id }) => this.lastApplied.get(id) === commit);
  }
}

/** What the host had to read from disk is there. */
function warm(node: SimNode): void {
  node.storage.coldUpTo = 0;
  node.raft.entriesAvailable();
}

/** The network hands out copies: no member may rely on what another does with a message. */
function copyOf(message: Message): Message {
  return { ...message, entries: message.entries.map((entry) => ({ ...entry })) };
}
