import type { Cluster } from '../cluster/cluster';
import type { Member } from '../cluster/member';
import { Machine, SimProcess } from '../world/process';
import type { Operation, Outcome } from './operation';
import type { Request } from './requests';

/** Longer than any request may take at a member that is well. */
const GIVE_UP_MS = 15_000;
const NETWORK_MS = 0.1;

/** Counts of a run. */
export interface OperationTotals {
  operations: number;
  succeeded: number;
  refused: number;
  unknown: number;
}

/** What all clients share. */
export class ClientSide {
  readonly totals: OperationTotals = { operations: 0, succeeded: 0, refused: 0, unknown: 0 };
  readonly machine: Machine;
  lastOperation = 0;
  lastValue = 0;
  /** Nothing new is begun. */
  isOver = false;

  constructor(readonly cluster: Cluster) {
    this.machine = new Machine(cluster.world, 'clients', 0);
  }

  /** A value that nobody has written before. */
  freshValue(): string {
    return `v${++this.lastValue}`;
  }
}

/** A client of one member at a time; it moves on when that member fails it. One request at a time. */
export class Client {
  readonly process: SimProcess;
  private member: Member;

  constructor(
    readonly name: string,
    readonly side: ClientSide,
  ) {
    this.process = new SimProcess(side.machine, name);
    this.member = this.pick();
  }

  private pick(): Member {
    const { members, world } = this.side.cluster;
    const up = members.filter(({ edge }) => edge !== undefined);
    return world.random.pick(up.length > 0 ? up : members);
  }

  /** Sends it; `done` runs exactly once. undefined: nobody could be reached, nothing was sent. */
  perform(request: Request, done: (operation: Operation | undefined) => void): void {
    const { side, process } = this;
    const { world, observer } = side.cluster;
    if (this.member.edge === undefined) this.member = this.pick();
    const { member } = this;
    const { edge } = member;
    if (edge === undefined) {
      world.after(100, process, () => done(undefined));
      return;
    }
    const operation = this.begin(request, member);
    observer.invoked(operation);
    let isOver = false;
    const end = (outcome: Outcome): void => {
      if (isOver) return;
      isOver = true;
      giveUp.cancelled = true;
      member.edgeWaiters.delete(lost);
      this.complete(operation, outcome);
      done(operation);
    };
    const lost = (): void => void world.after(NETWORK_MS, process, () => end({ kind: 'unknown' }));
    const giveUp = world.after(GIVE_UP_MS, process, () => end({ kind: 'unknown' }));
    member.edgeWaiters.add(lost);
    const reply = (outcome: Outcome): void => void world.after(NETWORK_MS, process, () => end(outcome));
    world.after(NETWORK_MS, edge.process, () => request.send(edge, reply));
  }

  private begin({ kind, linearizable, range, writes, lease }: Request, member: Member): Operation {
    const { side } = this;
    side.totals.operations++;
    return {
      id: ++side.lastOperation,
      kind,
      client: this.name,
      member: member.name,
      invokedAt: side.cluster.world.now,
      linearizable,
      ...(range === undefined ? {} : { range }),
      ...(writes === undefined ? {} : { writes }),
      ...(lease === undefined ? {} : { lease }),
      completedAt: 0,
      outcome: undefined,
    };
  }

  private complete(operation: Operation, outcome: Outcome): void {
    const { totals, cluster } = this.side;
    operation.completedAt = cluster.world.now;
    operation.outcome = outcome;
    if (outcome.kind === 'ok') totals.succeeded++;
    else if (outcome.kind === 'error' && outcome.definite) totals.refused++;
    else totals.unknown++;
    if (outcome.kind !== 'ok') this.member = this.pick();
    cluster.world.trace.add(operation.id);
    cluster.observer.completed(operation);
  }
}
