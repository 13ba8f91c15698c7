import type { StreamCall } from '../../../libs/rpc';
import {
  decodeFeedRequest,
  encodeFeedBatch,
  type FeedBatchInput,
  type FeedLeaseInput,
  type FeedMemberInput,
  FeedTopic,
  type FeedTokenInput,
} from '../../../proto/gen/hexad';
import type { FeedChanges } from '../apply/feed-changes';
import type { Gate } from '../gate';
import { limits } from '../limits';
import { Alarm, type RaisedAlarm } from '../state/alarms';
import type { Identity } from '../state/ids';
import type { Lease } from '../state/leases';
import type { MemberRecord } from '../state/members';
import type { ReplicatedState } from '../state/state';
import type { AssignedToken } from '../state/tokens';
import { onRequest, Subscription } from './subscription';

interface Subscriber {
  readonly subscription: Subscription;
  /** Bit n set: topic n. */
  readonly topics: number;
}

interface Delta {
  leases: FeedLeaseInput[];
  auth: { enabled: boolean; revision: number } | undefined;
  tokens: FeedTokenInput[];
  members: FeedMemberInput[];
  alarms: readonly RaisedAlarm[] | undefined;
  clusterVersion: string;
  termStarted: boolean;
}

const LEASES = 1 << FeedTopic.FEED_LEASES;
const AUTH = 1 << FeedTopic.FEED_AUTH;
const CLUSTER = 1 << FeedTopic.FEED_CLUSTER;

/** The tables beside the keys: a full copy for each subscriber, then changes in apply order. */
export class StateFeed implements FeedChanges {
  private readonly subscribers = new Set<Subscriber>();
  private delta: Delta | undefined;

  constructor(
    private readonly state: ReplicatedState,
    private readonly identity: Identity,
    private readonly gate: Gate,
  ) {}

  serve(call: StreamCall): void {
    onRequest(call, decodeFeedRequest, (request) => {
      const topics = request.topics.reduce((mask, topic) => mask | (1 << topic), 0);
      this.gate.whenOpen(() => this.attach(call, topics));
    });
  }

  leaseChanged(lease: Lease): void {
    this.pending().leases.push(lease);
  }

  leaseRevoked(id: bigint): void {
    this.pending().leases.push({ id, revoked: true });
  }

  authChanged(enabled: boolean, revision: number): void {
    this.pending().auth = { enabled, revision };
  }

  tokenAssigned(token: AssignedToken): void {
    this.pending().tokens.push(token);
  }

  tokensRevoked(user: string | undefined): void {
    this.pending().tokens.push(user === undefined ? { revokeAll: true } : { revokeUser: true, user });
  }

  memberChanged(member: MemberRecord): void {
    this.pending().members.push(member);
  }

  memberRemoved(id: bigint): void {
    this.pending().members.push({ id, removed: true });
  }

  alarmsChanged(alarms: readonly RaisedAlarm[]): void {
    this.pending().alarms = alarms;
  }

  clusterVersionChanged(version: string): void {
    this.pending().clusterVersion = version;
  }

  /** Told even when nothing else changed: a lease timer starts its work when its term's first entry has been applied. */
  termStarted(): void {
    this.pending().termStarted = true;
  }

  /** After every slice of apply, so that nothing is pending when a subscriber gets its full copy. */
  flush(): void {
    const { delta } = this;
    if (delta === undefined) return;
    this.delta = undefined;
    const encoded = new Map<number, Uint8Array | undefined>();
    for (const { subscription, topics } of this.subscribers) {
      if (!encoded.has(topics)) encoded.set(topics, this.encodeDelta(delta, topics));
      const message = encoded.get(topics);
      if (message !== undefined) subscription.send(message);
    }
  }

  private pending(): Delta {
    this.delta ??= {
      leases: [],
      auth: undefined,
      tokens: [],
      members: [],
      alarms: undefined,
      clusterVersion: '',
      termStarted: false,
    };
    return this.delta;
  }

  private encodeDelta(delta: Delta, topics: number): Uint8Array | undefined {
    const leases = topics & LEASES ? delta.leases : [];
    const auth = topics & AUTH ? delta.auth : undefined;
    const tokens = topics & AUTH ? delta.tokens : [];
    const members = topics & CLUSTER ? delta.members : [];
    const alarms = topics & CLUSTER ? delta.alarms : undefined;
    const clusterVersion = topics & CLUSTER ? delta.clusterVersion : '';
    const lists = leases.length + tokens.length + members.length;
    if (lists === 0 && !auth && !alarms && clusterVersion === '' && !delta.termStarted) return undefined;
    return encodeFeedBatch({
      ...this.frame(),
      leases,
      auth,
      tokens,
      members,
      alarmsChanged: alarms !== undefined,
      alarms: alarmMessages(alarms ?? []),
      clusterVersion,
    });
  }

  private attach(call: StreamCall, topics: number): void {
    if (call.cancelled) return;
    const subscriber: Subscriber = {
      subscription: new Subscription(call, () => this.subscribers.delete(subscriber)),
      topics,
    };
    this.subscribers.add(subscriber);
    this.sendFullCopy(subscriber);
  }

  private sendFullCopy({ subscription, topics }: Subscriber): void {
    const frame = { ...this.frame(), snapshot: true };
    if (topics & LEASES) this.sendLeases(subscription, frame);
    const last: FeedBatchInput = { ...frame, snapshotEnd: true };
    if (topics & AUTH) {
      const { enabled, revision } = this.state.auth;
      last.auth = { enabled, revision };
      last.tokens = [...this.state.tokens.values()];
    }
    if (topics & CLUSTER) {
      last.members = this.state.members.list();
      last.alarmsChanged = true;
      last.alarms = alarmMessages(this.state.alarms.list(Alarm.NONE));
      last.clusterVersion = this.state.clusterVersion;
    }
    subscription.send(encodeFeedBatch(last));
  }

  private sendLeases(subscription: Subscription, frame: FeedBatchInput): void {
    let leases: Lease[] = [];
    for (const lease of this.state.leases.values()) {
      leases.push(lease);
      if (leases.length < limits.feedLeasesPerMessage) continue;
      subscription.send(encodeFeedBatch({ ...frame, leases }));
      leases = [];
    }
    if (leases.length > 0) subscription.send(encodeFeedBatch({ ...frame, leases }));
  }

  private frame(): FeedBatchInput {
    const { store } = this.state;
    return {
      appliedIndex: store.applied.index,
      appliedTerm: store.applied.term,
      revision: store.revision,
      clusterId: this.identity.clusterId,
      memberId: this.identity.memberId,
    };
  }
}

function alarmMessages(alarms: readonly RaisedAlarm[]): { memberId: bigint; alarm: number }[] {
  return alarms.map(({ memberID, alarm }) => ({ memberId: memberID, alarm }));
}
