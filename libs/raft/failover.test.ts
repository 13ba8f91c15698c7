import { quietSettings } from './testing/quiet-settings';
import { Random } from './testing/random';
import { SimNode } from './testing/sim-node';
import type { Message, NodeId } from './types';

const IDS: readonly NodeId[] = [1n, 2n, 3n];

/** Three members with default timings on a network that takes no time. Ticks of members are not in step. */
class QuickCluster {
  readonly nodes: SimNode[];
  private readonly random: Random;

  constructor(seed: number) {
    this.random = new Random(seed);
    const conf = { voters: [...IDS], votersOutgoing: [], learners: [], learnersNext: [] };
    const settings = { ...quietSettings, electionTicks: 10, random: () => this.random.next() };
    this.nodes = IDS.map((id, i) => new SimNode(id, { ...settings, nonce: i + 1 }, conf, { index: 0, term: 0 }));
  }

  get leader(): SimNode | undefined {
    return this.nodes.find((node) => node.raft.role === 'leader');
  }

  /** One tick of every member, in any order, each followed by all the work that comes up. */
  tick(): void {
    for (const node of this.random.shuffle([...this.nodes])) {
      node.raft.tick();
      this.settle();
    }
  }

  private settle(): void {
    for (let messages = this.work(); messages.length > 0; messages = this.work()) {
      for (const message of messages) this.nodes.find(({ id }) => id === message.to)?.raft.step(message);
    }
  }

  private work(): Message[] {
    const messages: Message[] = [];
    for (const node of this.nodes) {
      for (let ready = node.raft.ready(); ready !== undefined; ready = node.raft.ready()) {
        messages.push(...node.process(ready), ...node.sync());
      }
    }
    return messages;
  }

  ticksUntilLeader(max: number): number {
    for (let ticks = 1; ticks <= max; ticks++) {
      this.tick();
      if (this.leader !== undefined) return ticks;
    }
    throw new Error('no leader');
  }
}

describe('failover', () => {
  it('has a new leader within two election timeouts of the death of the old one, mostly much sooner', () => {
    const waits: number[] = [];
    for (let seed = 1; seed <= 200; seed++) {
      const cluster = new QuickCluster(seed);
      cluster.ticksUntilLeader(100);
      for (let i = 0; i < seed % 7; i++) cluster.tick();
      cluster.nodes.splice(cluster.nodes.indexOf(cluster.leader as SimNode), 1);
      waits.push(cluster.ticksUntilLeader(100));
    }
    waits.sort((a, b) => a - b);
    expect(waits[waits.length - 1]).toBeLessThanOrEqual(20);
    expect(waits[Math.floor(waits.length * 0.5)]).toBeLessThanOrEqual(14);
  });

  it('keeps its leader while a follower is away for long and comes back', () => {
    const cluster = new QuickCluster(7);
    cluster.ticksUntilLeader(100);
    for (let i = 0; i < 20; i++) cluster.tick();
    const { leader } = cluster;
    const away = cluster.nodes.findIndex((node) => node !== leader);
    const [node] = cluster.nodes.splice(away, 1) as [SimNode];
    for (let i = 0; i < 50; i++) cluster.tick();
    // Cut off, it kept ticking by itself.
    for (let i = 0; i < 50; i++) node.raft.tick();
    cluster.nodes.push(node);
    for (let i = 0; i < 50; i++) cluster.tick();
    expect(cluster.leader).toBe(leader);
    expect(leader?.raft.term).toBe(node.raft.term);
    expect(node.raft.leader).toBe(leader?.id);
  });
});
