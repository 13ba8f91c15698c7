import type { Cohort, Group, Member, Receiver } from './group';

export type WatchGroup = Group<Watcher>;
export type WatchCohort = Cohort<Watcher>;

export interface Connection extends Receiver {
  readonly sessions: Map<number, Session>;
  /** Watchers held back because it is congested. */
  readonly held: Set<Watcher>;
}

export interface Session {
  readonly id: number;
  readonly connection: Connection;
  readonly watchers: Map<number, Watcher>;
  paused: boolean;
  /** Watchers that are not live: while there are any, the session is not synced. */
  unsynced: number;
  /** A RequestProgress waits until everything up to this revision has been sent. */
  progressWanted: number | undefined;
}

/**
 * Where a watcher stands; each state but `creating` knows the next revision the watcher needs.
 *
 *     creating ─▶ waiting ─▶ live ◀─▶ held ◀─▶ catch-up ─▶ live
 */
export type WatcherState =
  /** The store's revision is being read. */
  | { readonly at: 'creating' }
  /** Starts in the future. */
  | { readonly at: 'waiting'; readonly next: number }
  /** Member of its group: gets what the live feed brings. */
  | { readonly at: 'live' }
  | { readonly at: 'catch-up'; readonly cohort: WatchCohort }
  /** Its session is paused or its connection congested. */
  | { readonly at: 'held'; readonly next: number }
  | { readonly at: 'gone' };

export const CREATING: WatcherState = { at: 'creating' };
export const LIVE: WatcherState = { at: 'live' };
export const GONE: WatcherState = { at: 'gone' };

export interface Watcher extends Member {
  readonly owner: Session;
  readonly group: WatchGroup;
  /** As asked for; 0: from the store's revision on. */
  readonly startRevision: number;
  /** Progress below it is not reported. */
  readonly progressFrom: number;
  readonly progressNotify: boolean;
  state: WatcherState;
  /** The group's `deliveries` when progress was last reported; −1: events came since, by catch-up. */
  quietSince: number;
  /** A cancel came before the creation was answered. */
  cancelRequested: boolean;
}
