import { Errors, type RpcError } from '../../../libs/errors';
import { PermissionKind } from '../../../proto/gen/hexad';
import { createIdentity } from '../identity';
import type { MemberView } from '../member-view';
import type { Permissions } from '../permissions';

/** A watch and whose it is. */
export interface WatchedRange {
  readonly user: string;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** Ends the watch, and tells its client why. */
  revoke(): void;
}

/** What says that a user may not read, and not that nobody could be asked. */
const REFUSALS: readonly RpcError[] = [
  Errors.PermissionDenied,
  Errors.UserNotFound,
  Errors.UserEmpty,
  Errors.RoleNotFound,
  Errors.InvalidAuthToken,
];
/** Questions under way at a time. */
const QUESTIONS_MAX = 64;

/**
 * For `--watch-recheck-permissions`: whenever users, roles or their permissions change, asks storage anew for every range that
 * is watched, once for each user and range, and ends the watches that are not allowed any more.
 */
export class WatchRights {
  private readonly ranges = new Set<WatchedRange>();
  /** The auth revision that all ranges have been checked at. */
  private checkedAt = 0;
  private queue: WatchedRange[][] = [];
  private asking = 0;
  private again = false;

  constructor(
    private readonly permissions: Pick<Permissions, 'check'>,
    private readonly view: Pick<MemberView, 'authEnabled' | 'authRevision'>,
  ) {}

  add(range: WatchedRange): void {
    this.ranges.add(range);
  }

  remove(range: WatchedRange): void {
    this.ranges.delete(range);
  }

  /** Called often: begins a round when something has changed, or when the last one could not ask everything. */
  sweep(): void {
    const { authEnabled, authRevision } = this.view;
    if (!authEnabled || this.asking > 0 || this.queue.length > 0) return;
    if (authRevision === this.checkedAt && !this.again) return;
    this.checkedAt = authRevision;
    this.again = false;
    const same = new Map<string, WatchedRange[]>();
    for (const range of this.ranges) {
      const question = `${range.user}\0${Buffer.from(range.key).toString('hex')}\0${Buffer.from(range.rangeEnd).toString('hex')}`;
      const others = same.get(question);
      if (others === undefined) same.set(question, [range]);
      else others.push(range);
    }
    this.queue = [...same.values()];
    this.ask();
  }

  private ask(): void {
    while (this.asking < QUESTIONS_MAX) {
      const ranges = this.queue.pop();
      if (ranges === undefined) return;
      this.asking += 1;
      const { user, key, rangeEnd } = ranges[0] as WatchedRange; // no question without a range
      const identity = createIdentity(user, this.checkedAt);
      this.permissions.check({ kind: PermissionKind.PERMISSION_READ, key, rangeEnd }, identity, (refusal) => {
        this.asking -= 1;
        this.answered(ranges, refusal);
        if (this.asking === 0) this.ask();
      });
    }
  }

  private answered(ranges: readonly WatchedRange[], refusal: RpcError | undefined): void {
    if (refusal === undefined) return;
    if (!REFUSALS.some(({ code, message }) => code === refusal.code && message === refusal.message)) {
      this.again = true; // storage is away, or has seen a change that we have not
      return;
    }
    for (const range of ranges) if (this.ranges.delete(range)) range.revoke();
  }
}
