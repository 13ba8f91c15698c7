import { decodeHubTargets } from '../../../proto/gen/hexad';
import type { HubWatcher } from './hub-session';

/** Smaller sets are quicker looked up anew than kept. */
const KEPT_TARGETS_MIN = 8;
const KEPT_SETS_MAX = 16;

interface KeptSet {
  readonly bytes: Uint8Array;
  readonly watchers: readonly HubWatcher[];
}

/**
 * The watchers that a hub's target sets name. A hub sends the same bytes as long as a set stays the same, so the last few
 * large sets are kept with what was found for them. A watcher that has gone since says so itself; one that came since
 * has another id and thus is in another set.
 */
export class TargetSets {
  private kept: KeptSet[] = [];
  private next = 0;

  constructor(private readonly find: (session: number, hubId: number) => HubWatcher | undefined) {}

  watchers(bytes: Uint8Array): readonly HubWatcher[] {
    for (const set of this.kept) {
      if (set.bytes.length === bytes.length && Buffer.compare(set.bytes, bytes) === 0) return set.watchers;
    }
    const watchers: HubWatcher[] = [];
    for (const { session, watchId } of decodeHubTargets(bytes).targets) {
      const watcher = this.find(session, watchId);
      if (watcher !== undefined) watchers.push(watcher);
    }
    if (watchers.length >= KEPT_TARGETS_MIN) this.keep({ bytes: Uint8Array.from(bytes), watchers });
    return watchers;
  }

  forget(): void {
    this.kept = [];
    this.next = 0;
  }

  /** In place of the one that was found longest ago. */
  private keep(set: KeptSet): void {
    this.kept[this.next] = set;
    this.next = (this.next + 1) % KEPT_SETS_MAX;
  }
}
