import type { ConfState } from '../../../libs/raft';
import { ConfChangeType, encodeConfChange } from '../../../proto/gen/hexad';
import { NOBODY } from '../../../services/proxy/identity';
import type { Member } from '../cluster/member';
import type { FaultSite } from '../faults/fault';
import type { Client } from './client';
import type { Request } from './requests';

const EVERY_MS = 25_000;
const POLL_MS = 500;
/** A new member is given up on after this long. */
const PATIENCE_MS = 60_000;

/**
 * Changes the membership in the midst of everything: adds a learner, promotes it, removes another member, perhaps the
 * leader. Whether a change was made is read from the configuration, since its answer may be lost.
 */
export class Operator {
  changes = 0;

  constructor(
    private readonly client: Client,
    private readonly site: FaultSite,
  ) {}

  start(): void {
    this.later(EVERY_MS * this.site.random.next(), () => this.begin());
  }

  private begin(): void {
    const { cluster, isHealed } = this.site;
    const joiner = cluster.members.find(({ hasStarted }) => !hasStarted);
    if (isHealed || cluster.settings.members === 1) return;
    if (joiner === undefined) return;
    this.add(joiner);
  }

  private add(joiner: Member): void {
    const deadline = this.site.world.now + PATIENCE_MS;
    const { name, config, id } = joiner;
    const peerUrls = [...config.urls.listenPeer];
    this.change({ type: ConfChangeType.CONF_ADD_LEARNER, nodeId: id, name, peerUrls });
    this.until(
      deadline,
      () => this.conf?.learners.includes(id) === true,
      () => {
        joiner.knownPeers = this.site.members.map(({ asPeer }) => asPeer);
        joiner.startAll();
        this.promote(joiner);
      },
    );
  }

  private promote(joiner: Member): void {
    const { id } = joiner;
    const isVoter = (): boolean => this.conf?.voters.includes(id) === true;
    const attempt = (): void => {
      if (isVoter() || this.site.isHealed) return;
      if (this.isCaughtUp(id)) this.change({ type: ConfChangeType.CONF_PROMOTE, nodeId: id });
      this.later(4 * POLL_MS, attempt);
    };
    this.later(3_000, attempt);
    this.until(this.site.world.now + PATIENCE_MS, isVoter, () =>
      this.later(EVERY_MS * this.site.random.next(), () => this.remove()),
    );
  }

  /** etcd's rule for a learner that is ready. */
  private isCaughtUp(id: bigint): boolean {
    const core = this.site.cluster.leader?.core;
    const match = core?.progress().find((progress) => progress.id === id)?.match ?? 0;
    return core !== undefined && match >= 0.9 * core.lastIndex;
  }

  /** Only if the others are enough without it, so that the cluster can live on. */
  private remove(): void {
    const { conf } = this;
    const { members, up, random } = this.site;
    const voters = members.filter(({ id }) => conf?.voters.includes(id));
    const leaving = random.pick(voters);
    const left = up.filter((member) => member !== leaving && conf?.voters.includes(member.id));
    if (leaving === undefined || this.site.isHealed) return;
    if (voters.length < 4 || left.length <= (voters.length - 1) / 2)
      return this.later(POLL_MS * 10, () => this.remove());
    this.change({ type: ConfChangeType.CONF_REMOVE, nodeId: leaving.id });
    const isGone = (): boolean => this.conf !== undefined && !this.conf.voters.includes(leaving.id);
    this.until(this.site.world.now + PATIENCE_MS, isGone, () => {
      // Whoever does the work takes its time to switch it off.
      this.later(this.site.between(0, 10_000), () => {
        leaving.isRemoved = true;
        leaving.goDown(false);
      });
      this.later(EVERY_MS * this.site.random.next(), () => this.begin());
    });
  }

  /** As the leader has applied it. */
  private get conf(): ConfState | undefined {
    return this.site.cluster.leader?.core?.confState;
  }

  private until(deadline: number, condition: () => boolean, then: () => void): void {
    if (condition()) {
      this.changes++;
      then();
    } else if (this.site.world.now < deadline && !this.site.isHealed) {
      this.later(POLL_MS, () => this.until(deadline, condition, then));
    } else this.later(EVERY_MS, () => this.begin());
  }

  private later(ms: number, run: () => void): void {
    this.site.world.after(ms, this.client.process, run);
  }

  private change(change: Parameters<typeof encodeConfChange>[0]): void {
    const request: Request = {
      kind: 'conf-change',
      linearizable: false,
      send: (edge, done) => {
        const make = (origin: number, sequence: number): Uint8Array =>
          encodeConfChange({ ...change, origin, sequence });
        edge.writes.submitConfChange(make, NOBODY, {
          cancelled: false,
          reply: () => done({ kind: 'ok', revision: 0 }),
          fail: (error) => done({ kind: 'error', error, definite: false }),
        });
      },
    };
    this.client.perform(request, () => undefined);
  }
}
