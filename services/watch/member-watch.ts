import type { Attachment } from '../../libs/attachment';
import { type Channel, createLink, type Link } from '../../libs/rpc';
import { decodeRaftStatus, encodeRaftStatusRequest, RAFT_PATHS } from '../../proto/gen/hexad';

export interface MemberWatchOptions {
  readonly attachment: Pick<Attachment, 'moveOn'>;
  readonly raft: Channel;
  /** A member without a leader for so long is given up for another. */
  readonly leaderlessMaxMs: number;
  readonly now: () => number;
}

const CHECK_MS = 200;
/** Storage says its revision every 100 ms. */
const SILENT_MS = 1_500;

/** Takes a hub to another member when its own is silent, or cut off from the leader: what it would hear there is old. */
export class MemberWatch {
  private readonly timer: NodeJS.Timeout;
  private readonly link: Link;
  private heardAt: number;
  /** Undefined: it has one, or its raft has not said. */
  private leaderlessSince: number | undefined;

  constructor(private readonly options: MemberWatchOptions) {
    this.heardAt = options.now();
    this.timer = setInterval(() => this.check(), CHECK_MS);
    this.link = createLink({
      channel: options.raft,
      path: RAFT_PATHS.Status,
      firstMessage: () => encodeRaftStatusRequest({}),
      onMessage: (message) => this.leader(decodeRaftStatus(message).leaderId !== 0n),
      onClose: () => {
        this.leaderlessSince = undefined;
      },
    });
  }

  /** Storage has spoken. */
  heard(): void {
    this.heardAt = this.options.now();
  }

  close(): void {
    clearInterval(this.timer);
    this.link.close();
  }

  private leader(isKnown: boolean): void {
    if (isKnown) this.leaderlessSince = undefined;
    else this.leaderlessSince ??= this.options.now();
  }

  private check(): void {
    const { attachment, now, leaderlessMaxMs } = this.options;
    const silent = now() - this.heardAt > SILENT_MS;
    const leaderless = this.leaderlessSince !== undefined && now() - this.leaderlessSince > leaderlessMaxMs;
    if (!silent && !leaderless) return;
    this.heard();
    this.leaderlessSince = undefined;
    attachment.moveOn(silent ? 'its storage is silent' : 'it has no leader');
  }
}
