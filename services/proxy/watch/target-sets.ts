import { decodeHubTargets } from '../../../proto/gen/hexad';
import type { Registration } from './hub-session';

/** Smaller sets are quicker looked up anew than kept. */
const KEPT_TARGETS_MIN = 8;
const KEPT_SETS_MAX = 16;

interface KeptSet {
  readonly bytes: Uint8Array;
  readonly registrations: readonly Registration[];
}

/**
 * The registrations that a hub's target sets name. A hub sends the same bytes as long as a set stays the same, so the last few
 * large sets are kept with what was found for them. A registration that has ended since says so itself; one that came since
 * has another id and thus is in another set.
 */
export class TargetSets {
  private kept: KeptSet[] = [];
  private next = 0;

  constructor(private readonly find: (session: number, hubId: number) => Registration | undefined) {}

  registrations(bytes: Uint8Array): readonly Registration[] {
    for (const set of this.kept) {
      if (set.bytes.length === bytes.length && Buffer.compare(set.bytes, bytes) === 0) return set.registrations;
    }
    const registrations: Registration[] = [];
    for (const { session, watchId } of decodeHubTargets(bytes).targets) {
      const registration = this.find(session, watchId);
      if (registration !== undefined) registrations.push(registration);
    }
    if (registrations.length >= KEPT_TARGETS_MIN) this.keep({ bytes: Uint8Array.from(bytes), registrations });
    return registrations;
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
