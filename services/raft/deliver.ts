import { Errors, GrpcCode } from '../../libs/errors';
import { failpoint } from '../../libs/failpoints';
import type { LogEntry } from '../../libs/raft';
import { StartError } from '../../libs/process';
import type { StreamCall, StreamHandler } from '../../libs/rpc';
import type { Wal } from '../../libs/wal';
import {
  decodeDeliverAck,
  type DeliverAck,
  encodeDeliverBatch,
  StoreCondition,
  type StoreSnapshot,
} from '../../proto/gen/hexad';
import type { RaftSettings } from './config';
import type { CommitMoments } from './commit-moments';
import type { Consensus } from './consensus';
import { onDecoded } from './reply-stream';
import type { EntryStamps } from './stamps';
import type { RaftStats } from './stats';

const NO_BYTES = new Uint8Array(0);
const beforeDeliver = failpoint('raftBeforeDeliver');

const NOT_RECORDED = { code: GrpcCode.Unavailable, message: 'the snapshot is being recorded' };

export interface DeliverOptions {
  readonly consensus: Consensus;
  readonly wal: Wal;
  readonly settings: RaftSettings;
  readonly stats: RaftStats;
  readonly stamps: EntryStamps;
  /** Undefined: no stage stamps. */
  readonly commits: CommitMoments | undefined;
  readonly fatal: (error: unknown) => never;
  /** The store came from another member. True once the WAL says so too; until then nothing is delivered. */
  readonly recordInstalled: (snapshot: StoreSnapshot) => boolean;
}

/** Storage as it is attached: where its delivery stands and what it has said. */
interface Attached {
  readonly call: StreamCall;
  /** Next entry to send. */
  next: number;
  applied: number;
  durable: number;
  blocked: boolean;
  isFirst: boolean;
}

/**
 * Committed entries to the member's storage, each once and in order from what it says it has. The link's flow control
 * holds the delivery back; what is no longer in memory is read from the WAL.
 */
export class Deliver {
  private attached: Attached | undefined;
  private lastApplied: number;
  /** Members that have published their client URLs, as storage says. */
  started: readonly bigint[] = [];
  /** What the store is fit for, as storage says. */
  condition: StoreCondition = StoreCondition.STORE_SOUND;

  constructor(private readonly options: DeliverOptions) {
    // Until storage says how far it is, it counts as not behind.
    this.lastApplied = options.consensus.core.commit;
  }

  /** Committed entries that storage has not applied yet. */
  backlog(): { readonly entries: number; readonly attached: boolean } {
    const entries = Math.max(0, this.options.consensus.core.commit - this.lastApplied);
    return { entries, attached: this.attached !== undefined };
  }

  /** Up to where storage has everything on disk; 0 while that is not known. */
  get durableIndex(): number {
    return this.attached?.durable ?? 0;
  }

  readonly serve: StreamHandler = (call) => {
    let own: Attached | undefined;
    onDecoded(call, decodeDeliverAck, (ack) => {
      try {
        if (own === undefined) own = this.attach(call, ack);
        else this.acknowledge(own, ack);
      } catch (error) {
        this.options.fatal(error);
      }
    });
    call.onDrain(() => {
      if (own === undefined) return;
      own.blocked = false;
      this.send();
    });
    call.onHalfClose(() => call.end());
    call.onClose(() => {
      if (this.attached === own) this.attached = undefined;
    });
  };

  /** Sends what may be delivered and fits. */
  send(): void {
    const { attached } = this;
    if (attached === undefined) return;
    const { wal, consensus, settings, stats } = this.options;
    const end = consensus.deliverable + 1;
    while (!attached.blocked && attached.next < end) {
      // undefined: the WAL reads them from disk and then runs a turn, which comes back here.
      const entries = wal.entries(attached.next, end, settings.limits.deliverBatchBytes);
      if (entries === undefined) return;
      beforeDeliver.reach();
      attached.next += entries.length;
      stats.entriesDelivered += entries.length;
      this.sendBatch(attached, entries);
    }
  }

  private attach(call: StreamCall, hello: DeliverAck): Attached | undefined {
    const { settings, consensus, fatal, wal } = this.options;
    const { clusterId, memberId, appliedIndex, appliedTerm } = hello;
    if (clusterId !== 0n && (clusterId !== settings.clusterId || memberId !== settings.memberId)) {
      call.end(Errors.ClusterIDMismatch);
      return undefined;
    }
    this.condition = hello.condition;
    // Nothing is delivered to it: another store will take its place.
    if (hello.condition === StoreCondition.STORE_WANTS_COPY) return undefined;
    if (hello.installed !== undefined && !this.options.recordInstalled(hello.installed)) {
      call.end(NOT_RECORDED);
      return undefined;
    }
    if (appliedIndex + 1 < wal.firstIndex) {
      fatal(
        new StartError(
          `the store has applied entry ${appliedIndex} but the WAL begins at entry ${wal.firstIndex}: the store is missing or ` +
            'is not the one of this WAL; remove this member from the cluster, clear its data directory and add it again',
        ),
      );
    }
    if (appliedIndex > consensus.core.lastIndex) {
      fatal(
        new StartError(
          `the WAL ends at entry ${consensus.core.lastIndex} but the store has applied entry ${appliedIndex}: ` +
            'the WAL is missing or is not the one of this store; remove this member from the cluster and add it again',
        ),
      );
    }
    if (appliedIndex > 0 && !consensus.core.raiseCommit(appliedIndex, appliedTerm)) {
      fatal(
        new StartError(
          `the store has applied entry ${appliedIndex} of term ${appliedTerm}, which the WAL does not have: remove this member from the cluster and add it again`,
        ),
      );
    }
    this.attached?.call.end(Errors.Stopped);
    const attached: Attached = {
      call,
      next: appliedIndex + 1,
      applied: appliedIndex,
      durable: hello.durableIndex,
      blocked: false,
      isFirst: true,
    };
    this.attached = attached;
    this.lastApplied = appliedIndex;
    this.started = hello.started;
    this.sendBatch(attached, []);
    this.options.consensus.schedule();
    return attached;
  }

  private acknowledge(own: Attached, ack: DeliverAck): void {
    own.applied = ack.appliedIndex;
    own.durable = ack.durableIndex;
    if (ack.started.length > 0) this.started = ack.started;
    if (this.attached === own) this.lastApplied = ack.appliedIndex;
  }

  private sendBatch(attached: Attached, entries: LogEntry[]): void {
    const { settings, consensus, stats, stamps, commits } = this.options;
    const { clusterId, memberId } = settings;
    const first = entries[0];
    const last = entries.at(-1);
    const isEmpty = first === undefined || last === undefined;
    const timings = isEmpty ? NO_BYTES : stamps.forDelivery(first.index, last.index);
    stats.deliverBatches += 1;
    const bytes = encodeDeliverBatch({
      entries,
      commitIndex: consensus.core.commit,
      leaderTerm: consensus.core.term,
      timings,
      ...(isEmpty ? {} : commits?.delivered(first.index, last.index)),
      ...(attached.isFirst ? { clusterId, memberId } : {}),
    });
    attached.isFirst = false;
    if (!attached.call.send(bytes)) attached.blocked = true;
  }
}
