import type { Attachment } from '../../libs/attachment';
import type { MemberView } from './member-view';

export interface MemberGuardOptions {
  readonly attachment: Pick<Attachment, 'moveOn'>;
  readonly view: Pick<MemberView, 'leaderLostAt'>;
  /** Raft and storage are there. */
  readonly areUp: () => boolean;
  readonly leaderlessMaxMs: number;
}

/** How long a member's raft or storage may be away: longer than it takes to start one of them anew. */
const AWAY_MS = 1_500;

/** Takes a free-standing proxy to another member when its own is away, or has had no leader for too long. */
export class MemberGuard {
  private awaySince: number | undefined;
  private movedAt = 0;

  constructor(private readonly options: MemberGuardOptions) {}

  sweep(now: number): void {
    const { attachment, view, areUp, leaderlessMaxMs } = this.options;
    if (areUp()) this.awaySince = undefined;
    else this.awaySince ??= now;
    const away = this.awaySince !== undefined && now - this.awaySince > AWAY_MS;
    // A member that was just attached to has the same time to find its leader.
    const leaderless =
      view.leaderLostAt !== undefined && now - Math.max(view.leaderLostAt, this.movedAt) > leaderlessMaxMs;
    if (!away && !leaderless) return;
    this.awaySince = undefined;
    this.movedAt = now;
    attachment.moveOn(away ? 'its raft or storage is away' : 'it has no leader');
  }
}
