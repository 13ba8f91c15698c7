import type { Member } from '../cluster/member';
import type { SimStream } from '../world/stream';
import type { Fault, FaultSite } from './fault';

type Pair = readonly [from: Member, to: Member];

function pairs(site: FaultSite, isCut: (from: Member, to: Member) => boolean): Pair[] {
  const { members } = site;
  return members.flatMap((from) =>
    members.filter((to) => to !== from && isCut(from, to)).map((to) => [from, to] as const),
  );
}

function block(site: FaultSite, cut: readonly Pair[], ms: number): void {
  const { network } = site.cluster;
  const loses = site.random.chance(0.5);
  for (const [from, to] of cut) {
    const path = network.path(from.machine, to.machine);
    path.blockedUntil = Math.max(path.blockedUntil, site.world.now + ms);
    path.losesWhileBlocked = loses;
  }
  site.later(ms, () => {
    for (const [from, to] of cut) network.path(from.machine, to.machine).blockedUntil = 0;
  });
}

/** The members fall apart into two groups, or one of them is alone: most often the leader. */
export function partition(site: FaultSite): Fault {
  return {
    name: 'partition',
    weight: 6,
    inject: () => {
      const { members, random, cluster } = site;
      if (members.length < 2) return false;
      const alone = random.chance(0.5) ? (cluster.leader ?? random.pick(members)) : random.pick(members);
      const group = random.chance(0.5) ? new Set([alone]) : new Set(members.filter(() => random.chance(0.5)));
      const isOneWay = random.chance(0.4);
      const outwards = random.chance(0.5);
      const cut = pairs(site, (from, to) => {
        if (group.has(from) === group.has(to)) return false;
        return !isOneWay || group.has(from) === outwards;
      });
      if (cut.length === 0) return false;
      block(site, cut, site.between(500, 15_000));
      return true;
    },
  };
}

/** One direction between two members only. */
export function oneWay(site: FaultSite): Fault {
  return {
    name: 'one-way cut',
    weight: 3,
    inject: () => {
      const all = pairs(site, () => true);
      if (all.length === 0) return false;
      block(site, [site.random.pick(all)], site.between(500, 15_000));
      return true;
    },
  };
}

/** Messages are lost, repeated and overtaken for a while. */
export function flakyMessages(site: FaultSite): Fault {
  return {
    name: 'messages lost, repeated, reordered',
    weight: 4,
    inject: () => {
      const { faults } = site.cluster.network;
      if (site.members.length < 2 || faults.drop > 0) return false;
      const share = site.between(0.01, 0.1);
      Object.assign(faults, { drop: share, duplicate: share, reorder: share });
      site.later(site.between(3_000, 20_000), () => Object.assign(faults, { drop: 0, duplicate: 0, reorder: 0 }));
      return true;
    },
  };
}

export function slowNetwork(site: FaultSite): Fault {
  return {
    name: 'slow network',
    weight: 3,
    inject: () => {
      const all = pairs(site, () => true).map(([from, to]) => site.cluster.network.path(from.machine, to.machine));
      if (all.length === 0) return false;
      const slow = site.random.chance(0.5) ? all : [site.random.pick(all)];
      for (const path of slow) Object.assign(path, { latency: site.between(5, 250), jitter: site.between(1, 250) });
      site.later(site.between(3_000, 20_000), () => {
        for (const path of slow) Object.assign(path, { latency: 0.2, jitter: 0.5 });
      });
      return true;
    },
  };
}

/** Connections between members are reset, all or some. */
export function resetConnections(site: FaultSite): Fault {
  return {
    name: 'connections reset',
    weight: 3,
    inject: () => {
      if (site.members.length < 2) return false;
      const share = site.random.pick([0.3, 1]);
      const isHit = ({ machines: [a, b] }: SimStream): boolean => a !== b && site.random.chance(share);
      site.cluster.engine.breakStreams(isHit, () => site.between(0, 100));
      return true;
    },
  };
}

/** Streams between the processes of one member break, and what was under way on them is lost. */
export function breakLinksWithin(site: FaultSite): Fault {
  return {
    name: 'links within a member broken',
    weight: 4,
    inject: () => {
      const { up, random } = site;
      if (up.length === 0) return false;
      const { name } = random.pick(up);
      const share = random.pick([0.3, 1]);
      const isHit = ({ machines: [a, b] }: SimStream): boolean => a === name && b === name && random.chance(share);
      site.cluster.engine.breakStreams(isHit, () => site.between(0, 800));
      return true;
    },
  };
}
