import { keptRange, type KeyRange, RangeIndex } from '../interval-tree';
import { Group, type Members } from './group';
import { RecentEvents } from './recent-events';
import type { Delivery, WatchCreate, WatchLimits, WatchOutput } from './types';
import { WaitingList } from './waiting';
import { type Connection, LIVE, type Session, type Watcher, type WatcherState, type WatchGroup } from './watcher';

/** Groups over one range: at most one for each set of filters and options. */
export type RangeGroups = WatchGroup[];

/** What the parts of the core share. Its methods keep the counters and indexes in step with the watchers' states. */
export class HubState {
  outputs: WatchOutput[] = [];
  readonly connections = new Map<number, Connection>();
  readonly index = new RangeIndex<RangeGroups>();
  readonly groups = new Set<WatchGroup>();
  readonly waiting = new WaitingList();
  readonly recent: RecentEvents;
  /** Sessions whose RequestProgress is not answered yet. */
  readonly progressWanted = new Set<Session>();
  /** Every event up to this revision has been matched; −1 until the live feed has said where it stands. */
  live = -1;
  watchers = 0;
  /** Watchers that have a place in the order of revisions: all but those whose creation waits for the store's revision. */
  placed = 0;
  eventsDelivered = 0;
  private lastRequest = 0;

  constructor(readonly limits: WatchLimits) {
    this.recent = new RecentEvents(limits.windowBytesMax);
  }

  nextRequest(): number {
    this.lastRequest += 1;
    return this.lastRequest;
  }

  groupFor(wanted: KeyRange, create: WatchCreate): WatchGroup {
    const range = keptRange(wanted);
    const entry = this.index.get(range);
    const same = (group: WatchGroup): boolean =>
      group.noPut === create.noPut && group.noDelete === create.noDelete && group.prevKv === create.prevKv;
    const existing = entry?.find(same);
    if (existing !== undefined) return existing;
    const group = new Group<Watcher>(range, create.noPut, create.noDelete, create.prevKv);
    if (entry === undefined) this.index.set(range, [group]);
    else entry.push(group);
    this.groups.add(group);
    return group;
  }

  dropGroupIfEmpty(group: WatchGroup): void {
    if (group.watchers > 0) return;
    this.groups.delete(group);
    const entry = this.index.get(group.range) as RangeGroups; // a group is in the index until here
    entry.splice(entry.indexOf(group), 1);
    if (entry.length === 0) this.index.delete(group.range);
  }

  setState(watcher: Watcher, state: WatcherState): void {
    const before = watcher.state.at;
    if (before === 'live') watcher.owner.unsynced += 1;
    if (state.at === 'live') watcher.owner.unsynced -= 1;
    if (before === 'creating') this.placed += 1;
    if (state.at === 'gone') this.placed -= 1;
    watcher.state = state;
    if (before === 'waiting') this.waiting.left();
  }

  joinLive(watcher: Watcher): void {
    watcher.group.live.add(watcher);
    this.setState(watcher, LIVE);
  }

  deliver(delivery: Delivery): void {
    this.eventsDelivered += delivery.events.length * delivery.targets.length;
    this.outputs.push({ kind: 'deliver', delivery });
  }

  deliverTo(watcher: Watcher, answer: Omit<Delivery, 'connection' | 'targets' | 'events'>): void {
    this.deliver({ connection: watcher.owner.connection.id, targets: [watcher], events: [], ...answer });
  }

  deliverEvents(members: Members<Watcher>, events: readonly Uint8Array[], revision: number): void {
    for (const targets of members.targetSets) {
      this.deliver({
        connection: targets.connection.id,
        targets: targets.snapshot,
        encodedTargets: targets.encoded,
        events,
        revision,
      });
    }
  }
}
