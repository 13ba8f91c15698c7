import { keptRangeContains, keptRangeKeys } from '../interval-tree';
import { SharedEvent } from './event';
import { Members } from './group';
import type { HubState } from './state';
import type { HistoryRequest, Revision } from './types';
import type { WatchCohort, Watcher, WatchGroup } from './watcher';

/** Hands a watcher to where it belongs when its next revision is known. */
export type Place = (watcher: Watcher, next: number) => void;

/**
 * Brings watchers that are behind up to the live feed, in slices, taking turns: from the recent events where they reach
 * back far enough, else from storage's history. Because a slice, the step to the next revision and the joining happen
 * in one call of the core, a watcher joins exactly once, with nothing lost or repeated.
 */
export class CatchUp {
  private ready: WatchCohort[] = [];
  private needHistory: WatchCohort[] = [];
  private readonly reads = new Map<number, WatchCohort>();
  private turnAsked = false;

  constructor(
    private readonly state: HubState,
    private readonly place: Place,
    private readonly cancelCompacted: (watcher: Watcher, compactRevision: number) => void,
  ) {}

  /** Adds a watcher whose next revision is at or before the live one. */
  add(watcher: Watcher, next: number): void {
    const cohort = this.cohortAt(watcher.group, next);
    cohort.members.add(watcher);
    this.state.setState(watcher, { at: 'catch-up', cohort });
  }

  remove(watcher: Watcher, cohort: WatchCohort): void {
    cohort.members.remove(watcher);
    if (cohort.members.size === 0) this.drop(cohort);
  }

  /** Works through ready cohorts until the turn's budget is spent; asks for another turn if some are left. */
  turn(): void {
    this.turnAsked = false;
    this.wakeWaiting();
    let budget = this.state.limits.turnEventsMax;
    while (budget > 0) {
      const cohort = this.ready.shift();
      if (cohort === undefined) break;
      cohort.queued = false;
      if (cohort.members.size > 0) budget -= this.serve(cohort);
    }
    this.askTurn();
  }

  /** True when the request was a cohort's. */
  history(id: number, revisions: readonly Revision[], coveredTo: number, done: boolean): boolean {
    const cohort = this.reads.get(id);
    if (cohort === undefined) return false;
    cohort.chunks += 1;
    this.deliverHistory(cohort, revisions, coveredTo);
    const onward = this.advance(cohort, Math.max(coveredTo + 1, cohort.next), id, done);
    if (onward) this.state.outputs.push({ kind: 'moreHistory', id });
    return true;
  }

  historyCompacted(id: number, compactRevision: number): boolean {
    const cohort = this.reads.get(id);
    if (cohort === undefined) return false;
    this.endRead(cohort, id);
    if (compactRevision <= cohort.next) {
      this.enqueue(cohort); // compacted only up to here: still readable
      return true;
    }
    for (const watcher of cohort.members.list()) this.cancelCompacted(watcher, compactRevision);
    return true;
  }

  historyFailed(id: number): boolean {
    const cohort = this.reads.get(id);
    if (cohort === undefined) return false;
    this.endRead(cohort, id);
    this.enqueue(cohort);
    return true;
  }

  private cohortAt(group: WatchGroup, next: number): WatchCohort {
    const existing = group.cohorts.get(next);
    if (existing !== undefined) return existing;
    const cohort: WatchCohort = { group, members: new Members<Watcher>(), next, request: 0, chunks: 0, queued: false };
    group.cohorts.set(next, cohort);
    this.enqueue(cohort);
    return cohort;
  }

  private enqueue(cohort: WatchCohort): void {
    if (cohort.queued || cohort.request !== 0) return;
    cohort.queued = true;
    this.ready.push(cohort);
    this.askTurn();
  }

  private askTurn(): void {
    const work = this.ready.length > 0 || (this.needHistory.length > 0 && this.freeReads() > 0);
    if (this.turnAsked || !work) return;
    this.turnAsked = true;
    this.state.outputs.push({ kind: 'turn' });
  }

  private drop(cohort: WatchCohort): void {
    cohort.group.cohorts.delete(cohort.next);
    this.abandonRead(cohort);
  }

  private abandonRead(cohort: WatchCohort): void {
    if (cohort.request === 0) return;
    this.state.outputs.push({ kind: 'cancelHistory', id: cohort.request });
    this.endRead(cohort, cohort.request);
  }

  /** Serves one slice; returns how many events were looked at. */
  private serve(cohort: WatchCohort): number {
    this.holdCongested(cohort);
    if (cohort.members.size === 0) return 1;
    if (cohort.next < this.state.recent.floor) {
      this.readHistory(cohort);
      return 1;
    }
    return this.serveRecent(cohort);
  }

  private serveRecent(cohort: WatchCohort): number {
    const { state } = this;
    const { group } = cohort;
    const events: Uint8Array[] = [];
    let looked = 0;
    let bytes = 0;
    let revisions = 0;
    let coveredTo = state.live;
    let stuck = false;
    state.recent.forEachFrom(cohort.next, (revision) => {
      const added = collectRevision(state, group, revision.events, events);
      if (added < 0) {
        stuck = true;
        coveredTo = revision.revision - 1;
        return false;
      }
      looked += revision.events.length;
      revisions += 1;
      bytes += added;
      const full =
        bytes > state.limits.deliveryBytesSoft ||
        revisions >= state.limits.sliceRevisionsMax ||
        looked >= state.limits.turnEventsMax;
      if (full) coveredTo = revision.revision;
      return !full;
    });
    this.deliverSlice(cohort, events, coveredTo);
    if (stuck && coveredTo < cohort.next) {
      this.readHistory(cohort); // the next event's prev_kv is not in the window
      return looked + 1;
    }
    this.advance(cohort, coveredTo + 1, 0, true);
    return looked + 1;
  }

  private deliverHistory(cohort: WatchCohort, revisions: readonly Revision[], coveredTo: number): void {
    const { group } = cohort;
    const events: Uint8Array[] = [];
    for (const revision of revisions) {
      if (revision.revision < cohort.next || revision.revision > coveredTo) continue;
      for (const event of revision.events) {
        const shared = new SharedEvent(event);
        if (group.wants(shared) && keptRangeContains(group.range, shared.key))
          events.push(shared.encoded(group.prevKv));
      }
    }
    this.deliverSlice(cohort, events, coveredTo);
  }

  private deliverSlice(cohort: WatchCohort, events: readonly Uint8Array[], revision: number): void {
    if (events.length === 0) return;
    this.state.deliverEvents(cohort.members, events, revision);
    for (const targets of cohort.members.targetSets) {
      for (const watcher of targets.watchers) watcher.quietSince = -1;
    }
  }

  /**
   * Moves a cohort on to `next`: to the live ones, to another cohort or back to the queue. True: it goes on with the
   * next chunk of the read `id` (0: there is none).
   */
  private advance(cohort: WatchCohort, next: number, id: number, done: boolean): boolean {
    const { cohorts } = cohort.group;
    cohorts.delete(cohort.next);
    cohort.next = next;
    if (done && id !== 0) this.endRead(cohort, id);
    if (next > this.state.live || cohorts.has(next)) {
      this.abandonRead(cohort);
      for (const watcher of cohort.members.list()) this.move(watcher, cohort, next);
      return false;
    }
    cohorts.set(next, cohort);
    this.holdCongested(cohort);
    if (cohort.members.size === 0) return false;
    if (cohort.request !== 0 && !this.mustYield(cohort)) return true;
    this.abandonRead(cohort);
    this.enqueue(cohort);
    return false;
  }

  /** A read ends early when the rest is at hand, or when others have waited long enough. */
  private mustYield(cohort: WatchCohort): boolean {
    if (cohort.next > this.state.live) return true;
    if (cohort.next >= this.state.recent.floor && !cohort.group.prevKv) return true;
    return cohort.chunks >= this.state.limits.historyChunksPerTurn && this.needHistory.length > 0;
  }

  private move(watcher: Watcher, from: WatchCohort, next: number): void {
    from.members.remove(watcher);
    this.place(watcher, next);
  }

  /** Watchers whose proxy does not drain step aside, so that the others need not wait for them. */
  private holdCongested(cohort: WatchCohort): void {
    for (const targets of cohort.members.targetSets.slice()) {
      if (!targets.connection.congested) continue;
      for (const watcher of targets.watchers.slice()) this.move(watcher, cohort, cohort.next);
    }
    if (cohort.members.size === 0) this.drop(cohort);
  }

  private readHistory(cohort: WatchCohort): void {
    if (this.freeReads() <= 0) {
      cohort.queued = true;
      this.needHistory.push(cohort);
      return;
    }
    const id = this.state.nextRequest();
    cohort.request = id;
    cohort.chunks = 0;
    this.reads.set(id, cohort);
    const request: HistoryRequest = {
      id,
      from: cohort.next,
      to: this.state.live,
      ...keptRangeKeys(cohort.group.range),
      prevKv: cohort.group.prevKv,
    };
    this.state.outputs.push({ kind: 'readHistory', request });
  }

  private endRead(cohort: WatchCohort, id: number): void {
    this.reads.delete(id);
    cohort.request = 0;
    this.askTurn();
  }

  /** Whoever waited for a read goes through `serve` again: the window may reach back to it by now, or it may be gone. */
  private wakeWaiting(): void {
    for (let free = this.freeReads(); free > 0; free -= 1) {
      const cohort = this.needHistory.shift();
      if (cohort === undefined) return;
      this.ready.push(cohort);
    }
  }

  private freeReads(): number {
    return this.state.limits.historyReadsMax - this.reads.size;
  }
}

/** Adds the revision's events that the group wants and returns their bytes; −1 (and none added): a prev_kv is not known. */
function collectRevision(
  state: HubState,
  group: WatchGroup,
  candidates: readonly SharedEvent[],
  events: Uint8Array[],
): number {
  const before = events.length;
  let bytes = 0;
  for (const event of candidates) {
    if (!group.wants(event) || !keptRangeContains(group.range, event.key)) continue;
    if (group.prevKv && !learnPrevious(state, event)) {
      events.length = before;
      return -1;
    }
    const encoded = event.encoded(group.prevKv);
    events.push(encoded);
    bytes += encoded.length;
  }
  return bytes;
}

/** Looks for the key's previous value among the recent events. False: prev_kv can't be answered from memory. */
export function learnPrevious(state: HubState, event: SharedEvent): boolean {
  if (event.knowsPrevious) return true;
  const kv = state.recent.findKv(event.key, event.previousRevision);
  if (kv === undefined) return false;
  event.learnPrevious(kv);
  return true;
}
