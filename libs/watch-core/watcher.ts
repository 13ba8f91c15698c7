import type { Cohort, Group } from './group';
import type { Target } from './types';

export interface Connection {
  readonly id: number;
  readonly sessions: Map<number, Session>;
  /** The proxy does not drain: no catch-up is added to what waits for it. */
  congested: boolean;
  /** Watchers held back because of that. */
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
  | { readonly at: 'catch-up'; readonly cohort: Cohort }
  /** Its session is paused or its connection congested. */
  | { readonly at: 'held'; readonly next: number }
  | { readonly at: 'gone' };

export const CREATING: WatcherState = { at: 'creating' };
export const LIVE: WatcherState = { at: 'live' };
export const GONE: WatcherState = { at: 'gone' };

export interface Watcher extends Target {
  readonly owner: Session;
  readonly group: Group;
  /** As asked for; 0: from the store's revision on. */
  readonly startRevision: number;
  /** Progress below it is not reported. */
  readonly progressFrom: number;
  readonly progressNotify: boolean;
  state: WatcherState;
  /** The group's `deliveries` when progress was last reported; −1: events came since, by catch-up. */
  quietSince: number;
  /** Position in its target set, for removal in one step. */
  slot: number;
  /** A cancel came before the creation was answered. */
  cancelRequested: boolean;
}
