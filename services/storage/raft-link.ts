import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import type { Store } from '../../libs/mvcc';
import type { Logger } from '../../libs/process';
import { type Channel, createLink, type Link } from '../../libs/rpc';
import {
  decodeDeliverBatch,
  type DeliverBatch,
  encodeDeliverAck,
  RAFT_PATHS,
  type StoreCondition,
  type StoreSnapshot,
} from '../../proto/gen/hexad';
import { limits } from './limits';
import type { Identity } from './state/ids';
import type { MemberRecord } from './state/members';

/** Above this much waiting for apply the delivery is held back, below a quarter of it it goes on. */
const QUEUED_BYTES_MAX = INTERNAL_MESSAGE_BYTES_MAX / 4;

export interface RaftLinkOptions {
  readonly channel: Channel;
  readonly store: Store;
  readonly identity: Identity;
  /** Whether the store has been told whose it is: an empty store joins whatever raft says it is part of. */
  readonly isEmpty: () => boolean;
  /** The store came from another member, which raft must have recorded before it delivers anything. */
  readonly installed: StoreSnapshot | undefined;
  readonly clearInstalled: () => void;
  /** What the store is fit for; the same for as long as the process runs. */
  readonly condition: () => StoreCondition;
  /** Another array after each change. */
  readonly members: () => readonly MemberRecord[];
  readonly logger: Logger;
  readonly fatal: (error: unknown) => never;
  /** A new stream: entries not applied by now will come again. */
  onConnecting(): void;
  onBatch(batch: DeliverBatch): void;
  queuedBytes(): number;
}

/** The delivery of committed entries, and the acknowledgement of how far they are visible and durable. */
export class RaftLink {
  private readonly link: Link;
  private paused = false;
  private sentApplied = 0;
  private sentDurable = 0;
  private installed: StoreSnapshot | undefined;
  private sentMembers: readonly MemberRecord[] = [];

  constructor(private readonly options: RaftLinkOptions) {
    const { channel, logger } = options;
    this.installed = options.installed;
    this.link = createLink({
      channel,
      path: RAFT_PATHS.Deliver,
      firstMessage: () => this.hello(),
      onMessage: (message) => this.receive(message),
      onClose: (reason) => logger.warn({ reason: reason.message }, 'the link to raft is down'),
    });
  }

  /** Tells raft what has become visible or durable since the last time. */
  acknowledge(): void {
    const { applied, durable } = this.options.store;
    if (applied.index === this.sentApplied && durable.index === this.sentDurable) return;
    if (!this.link.isOpen) return;
    this.sentApplied = applied.index;
    this.sentDurable = durable.index;
    this.link.send(
      encodeDeliverAck({
        appliedIndex: applied.index,
        durableIndex: durable.index,
        appliedTerm: applied.term,
        started: this.options.members() === this.sentMembers ? [] : this.started(),
      }),
    );
  }

  /** Acknowledges when much was applied since the last time; the rest follows by the timer and wakes raft less often. */
  acknowledgeMuch(): void {
    if (this.options.store.applied.index - this.sentApplied >= limits.acknowledgeEntries) this.acknowledge();
  }

  /** Members that have published their client URLs: one that begins anew under such an id has lost its log. */
  private started(): bigint[] {
    this.sentMembers = this.options.members();
    return this.sentMembers.filter(({ clientUrls }) => clientUrls.length > 0).map(({ id }) => id);
  }

  /** After apply has worked off some of its queue. */
  relieve(): void {
    if (!this.paused || this.options.queuedBytes() > QUEUED_BYTES_MAX / 4) return;
    this.paused = false;
    this.link.resume();
  }

  close(): void {
    this.link.close();
  }

  private hello(): Uint8Array {
    this.options.onConnecting();
    this.paused = false;
    const { applied, durable } = this.options.store;
    this.sentApplied = applied.index;
    this.sentDurable = durable.index;
    const { clusterId, memberId } = this.options.identity;
    return encodeDeliverAck({
      appliedIndex: applied.index,
      durableIndex: durable.index,
      appliedTerm: applied.term,
      ...(this.options.isEmpty() ? {} : { clusterId, memberId }),
      installed: this.installed,
      started: this.started(),
      condition: this.options.condition(),
    });
  }

  private receive(message: Uint8Array): void {
    const { fatal, identity } = this.options;
    try {
      const batch = decodeDeliverBatch(message);
      const { clusterId, memberId } = batch;
      if (clusterId !== 0n && (clusterId !== identity.clusterId || memberId !== identity.memberId)) {
        throw new Error(`raft is member ${hex(memberId)} of cluster ${hex(clusterId)}, the store is not`);
      }
      if (this.installed !== undefined) {
        // Raft delivers, so its WAL has the snapshot.
        this.options.clearInstalled();
        this.installed = undefined;
      }
      this.options.onBatch(batch);
    } catch (error) {
      fatal(error);
    }
    if (this.paused || this.options.queuedBytes() < QUEUED_BYTES_MAX) return;
    this.paused = true;
    this.link.pause();
  }
}

function hex(id: bigint): string {
  return id.toString(16);
}
