import { failpoint } from '../../libs/failpoints';
import type { Logger } from '../../libs/process';
import { type Channel, createLink, type Link } from '../../libs/rpc';
import {
  DowngradeRequest_DowngradeAction,
  encodeAlarmRequest,
  encodeCompactionRequest,
  encodeDowngradeRequest,
} from '../../proto/gen/etcdserverpb';
import {
  decodeProposeReplyBatch,
  decodeRaftStatus,
  encodeClusterVersion,
  encodeEntry,
  encodeMemberAttributes,
  encodeProposeBatch,
  encodeRaftStatusRequest,
  EntryKind,
  RAFT_PATHS,
} from '../../proto/gen/hexad';
import type { CompactionPolicy } from './auto-compaction';
import { areAllAt, nextClusterVersion, type VersionInput } from './cluster-version';
import type { ResultsFeed } from './feeds/results';
import type { Gate } from './gate';
import { limits } from './limits';
import type { Space } from './space';
import { Alarm } from './state/alarms';
import type { Identity } from './state/ids';
import type { ReplicatedState } from './state/state';

const beforePublishing = failpoint('beforePublishing');

export interface OwnProposalsOptions {
  readonly channel: Channel;
  readonly state: ReplicatedState;
  readonly identity: Identity;
  readonly gate: Gate;
  readonly results: ResultsFeed;
  readonly logger: Logger;
  /** Random nonce of this process, below 2^52. */
  readonly origin: number;
  readonly name: string;
  /** Of this member: the cluster version that its leader decides is no higher. */
  readonly serverVersion: string;
  readonly clientUrls: readonly string[];
  readonly space: Pick<Space, 'isUsedUp' | 'isRoomy'>;
  /** The alarm that space runs out clears itself once there is room again. */
  readonly autoDisarm: boolean;
  /** Undefined: nothing is compacted unasked. */
  readonly compaction: CompactionPolicy | undefined;
}

/**
 * What storage itself asks the log for: the member's name and client URLs, the cluster version, the end of a downgrade and the automatic
 * compactions (these by the leader's storage) and the alarms that space runs out and that states differ. Each is compared with the state and proposed until the state
 * agrees; a lost proposal is simply made again later, since all are idempotent.
 */
export class OwnProposals {
  private readonly proposals: Link;
  private readonly status: Link;
  private readonly underWay = new Map<number, number>();
  private sequence = 0;
  private leaderId = 0n;
  private leaderSince = 0;
  /** Of the other members, as raft has heard. */
  private versions: ReadonlyMap<bigint, string> = new Map();
  private timer: NodeJS.Timeout | undefined;
  private compactionTimer: NodeJS.Timeout | undefined;
  private nextSpaceCheck = 0;
  private closed = false;
  /** Members for which the CORRUPT alarm is to be up. */
  private readonly suspects = new Set<bigint>();

  constructor(private readonly options: OwnProposalsOptions) {
    const { channel, gate, results, origin } = options;
    results.listen(origin, (sequence) => this.settled(sequence));
    this.proposals = createLink({
      channel,
      path: RAFT_PATHS.Propose,
      onOpen: () => this.reconsider(),
      onMessage: (message) => {
        for (const reply of decodeProposeReplyBatch(message).replies) {
          if (reply.origin === origin) this.refused(reply.sequence, reply.error);
        }
      },
      onClose: () => this.underWay.clear(),
    });
    this.status = createLink({
      channel,
      path: RAFT_PATHS.Status,
      firstMessage: () => encodeRaftStatusRequest({}),
      onMessage: (message) => {
        const { leaderId, versions } = decodeRaftStatus(message);
        if (leaderId !== this.leaderId) this.leaderSince = performance.now();
        this.leaderId = leaderId;
        this.versions = new Map(versions.map(({ id, version }) => [id, version]));
        this.reconsider();
      },
    });
    gate.whenOpen(() => this.reconsider());
    this.scheduleCompaction();
  }

  /** Compares what should be with what is. Cheap when all is well; called after every slice of apply. */
  reconsider(): void {
    if (this.closed || !this.options.gate.isOpen) return;
    this.publishMember();
    this.decideVersion();
    this.endDowngrade();
    this.raiseAlarm();
  }

  /** Whether this member leads, as far as is known here. */
  get isLeader(): boolean {
    return this.leaderId === this.options.identity.memberId;
  }

  /** Proposes the CORRUPT alarm for these members until it is up. */
  raiseCorrupt(members: readonly bigint[]): void {
    for (const id of members) this.suspects.add(id);
    this.reconsider();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    clearInterval(this.compactionTimer);
    this.proposals.close();
    this.status.close();
  }

  private publishMember(): void {
    const { state, identity, name, clientUrls } = this.options;
    const member = state.members.get(identity.memberId);
    if (member === undefined || (member.name === name && sameList(member.clientUrls, clientUrls))) return;
    beforePublishing.reach();
    const body = { id: identity.memberId, name, clientUrls };
    this.propose(EntryKind.ENTRY_MEMBER_ATTRIBUTES, () => encodeMemberAttributes(body));
  }

  private decideVersion(): void {
    const { state } = this.options;
    const { downgradeTarget, clusterVersion: current } = state;
    if (!this.isLeader || (downgradeTarget === '' && current === this.ownClusterVersion)) return;
    const ledMs = performance.now() - this.leaderSince;
    const version = nextClusterVersion({ current, downgradeTarget, ledMs, ...this.memberVersions() });
    if (version !== undefined) {
      this.propose(EntryKind.ENTRY_CLUSTER_VERSION, () => encodeClusterVersion({ version }));
    } else if (state.clusterVersion === '') this.retryLater();
  }

  /** A downgrade ends by itself once the cluster and all members are where it leads. */
  private endDowngrade(): void {
    const { state, logger } = this.options;
    const { downgradeTarget, clusterVersion } = state;
    if (downgradeTarget === '' || !this.isLeader || clusterVersion !== downgradeTarget) return;
    if (!areAllAt(downgradeTarget, this.memberVersions())) return;
    logger.info({ 'cluster-version': downgradeTarget }, 'the cluster has been downgraded');
    const action = DowngradeRequest_DowngradeAction.CANCEL;
    this.propose(EntryKind.ENTRY_DOWNGRADE, () => encodeDowngradeRequest({ action }));
  }

  private get ownClusterVersion(): string {
    return this.options.serverVersion.replace(/\d+$/, '0');
  }

  private memberVersions(): Pick<VersionInput, 'members' | 'versionOf'> {
    const { state, identity, serverVersion } = this.options;
    return {
      members: state.members.list().map(({ id }) => id),
      versionOf: (id) => (id === identity.memberId ? serverVersion : this.versions.get(id)),
    };
  }

  private raiseAlarm(): void {
    const { state, identity, space } = this.options;
    for (const memberID of this.suspects) {
      if (state.alarms.hasFor(Alarm.CORRUPT, memberID)) this.suspects.delete(memberID);
      else return this.activate(memberID, Alarm.CORRUPT);
    }
    if (state.alarms.hasFor(Alarm.NOSPACE, identity.memberId)) return this.clearAlarm();
    if (!space.isUsedUp) return;
    this.activate(identity.memberId, Alarm.NOSPACE);
  }

  private activate(memberID: bigint, alarm: number): void {
    this.propose(EntryKind.ENTRY_ALARM, () => encodeAlarmRequest({ action: 1, memberID, alarm }));
  }

  /** Looks again by itself: while the alarm is up there may be no entries that would be the occasion. */
  private clearAlarm(): void {
    const { identity, space, autoDisarm, logger } = this.options;
    if (!autoDisarm) return;
    this.retryLater();
    if (this.nextSpaceCheck > performance.now()) return;
    this.nextSpaceCheck = performance.now() + limits.spaceCheckMs;
    if (!space.isRoomy) return;
    logger.info({}, 'there is space again: the alarm is cleared');
    const request = { action: 2, memberID: identity.memberId, alarm: Alarm.NOSPACE };
    this.propose(EntryKind.ENTRY_ALARM, () => encodeAlarmRequest(request));
  }

  private scheduleCompaction(): void {
    const { compaction } = this.options;
    if (compaction === undefined) return;
    this.compactIfDue(compaction);
    this.compactionTimer = setInterval(() => this.compactIfDue(compaction), compaction.intervalMs);
    this.compactionTimer.unref();
  }

  private compactIfDue(policy: CompactionPolicy): void {
    const { state, identity, gate, logger } = this.options;
    const { revision, compactRevision } = state.store;
    const isLeader = gate.isOpen && this.leaderId === identity.memberId;
    const target = policy.due({ nowMs: performance.now(), revision, compactRevision, isLeader });
    if (target === undefined) return;
    logger.info({ revision: target }, 'starting auto compaction');
    this.propose(EntryKind.ENTRY_COMPACTION, () => encodeCompactionRequest({ revision: target }));
  }

  private propose(kind: number, body: () => Uint8Array): void {
    this.retryLater();
    if (this.underWay.has(kind) || this.leaderId === 0n || !this.proposals.isOpen) return;
    const { origin, logger } = this.options;
    const sequence = ++this.sequence;
    this.underWay.set(kind, sequence);
    const entry = encodeEntry({ origin, sequence, kind, body: body(), internal: true });
    this.proposals.send(encodeProposeBatch({ proposals: [{ origin, sequence, entry }] }));
    logger.debug({ kind, sequence }, 'proposed on own behalf');
  }

  private settled(sequence: number): void {
    for (const [kind, waiting] of this.underWay) if (waiting === sequence) this.underWay.delete(kind);
  }

  private refused(sequence: number, error: number): void {
    this.options.logger.debug({ sequence, error }, 'own proposal refused');
    this.settled(sequence);
  }

  /** Whatever has had no effect by then is taken for lost. */
  private retryLater(): void {
    if (this.timer !== undefined || this.closed) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.underWay.clear();
      this.reconsider();
    }, limits.ownProposalRetryMs);
    this.timer.unref();
  }
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
