import { createHash } from 'node:crypto';
import { type BoltBucket, type BoltPlan, planBoltFile, writeBoltFile } from '../../../libs/bbolt';
import { Errors, GrpcCode, type RpcError } from '../../../libs/errors';
import { etcdBuckets, STORAGE_VERSION } from '../../../libs/etcd-file';
import { CorruptionError } from '../../../libs/mvcc';
import type { Logger } from '../../../libs/process';
import type { StreamCall } from '../../../libs/rpc';
import { encodeBackupChunk } from '../../../proto/gen/hexad';
import type { Compactor } from '../compactor';
import type { Gate } from '../gate';
import { limits } from '../limits';
import type { MaintenanceCounts } from '../maintenance-counts';
import { nextTurn } from '../reads/next-turn';
import type { ReplicatedState } from '../state/state';
import { captureState } from './capture';

/** As etcd's: a message carries at most this much of the file. */
const BLOB_BYTES = 32 * 1024;

export interface BackupOptions {
  readonly state: ReplicatedState;
  readonly gate: Gate;
  readonly compactor: Compactor;
  readonly logger: Logger;
  readonly fatal: (error: unknown) => never;
  /** How long a client may read nothing. */
  readonly stallMs: number;
  readonly counts: MaintenanceCounts;
}

/**
 * `Storage.Backup`: the state at one applied index as an etcd snapshot. Two passes over the keys at one revision, in short
 * slices between applies; what one slice reads is dropped before the next. Compaction deletes nothing meanwhile.
 */
export class BackupServer {
  private running = 0;

  constructor(private readonly options: BackupOptions) {}

  serve(call: StreamCall): void {
    call.sendHeaders();
    // The request has no fields; its arrival alone counts.
    call.onMessage(() => undefined);
    if (this.running >= limits.backupsMax) {
      call.end(Errors.TooManyRequests);
      return;
    }
    this.running++;
    const stream = new BackupStream(call, this.options.stallMs, () => this.running--);
    this.options.gate.whenOpen(() => void this.run(call, stream));
  }

  private async run(call: StreamCall, stream: BackupStream): Promise<void> {
    const { state, compactor, logger, fatal, counts } = this.options;
    const release = compactor.hold();
    const began = performance.now();
    counts.openReads++;
    try {
      // What compaction has found dead goes now, so that both passes see the same.
      await state.store.flush();
      if (!stream.isOver) await stream.write(etcdBuckets(captureState(state)));
    } catch (error) {
      if (error instanceof CorruptionError) fatal(error);
      logger.error({ error: String(error) }, 'a snapshot could not be streamed');
      call.end({ code: GrpcCode.Internal, message: `etcdserver: snapshot failed: ${String(error)}` });
    } finally {
      release();
      counts.openReads--;
      counts.backup.observe((performance.now() - began) / 1000);
    }
  }
}

const STALLED: RpcError = { code: GrpcCode.DeadlineExceeded, message: 'etcdserver: the snapshot is not being read' };

/** One snapshot under way. */
class BackupStream {
  private readonly hash = createHash('sha256');
  private readonly blob = new Uint8Array(BLOB_BYTES);
  private filled = 0;
  private remaining = 0;
  private wake: (() => void) | undefined;
  private blocked = false;
  private over = false;
  private sliceEnd = 0;

  constructor(
    private readonly call: StreamCall,
    private readonly stallMs: number,
    onClose: () => void,
  ) {
    call.onDrain(() => this.resume());
    call.onClose(() => {
      this.over = true;
      this.resume();
      onClose();
    });
  }

  get isOver(): boolean {
    return this.over;
  }

  /** Resolves when all is sent or the call is over. */
  async write(buckets: readonly BoltBucket[]): Promise<void> {
    const plan = await this.plan(buckets);
    if (plan === undefined) return;
    this.remaining = plan.bytes;
    for (const pages of writeBoltFile(buckets, plan)) {
      this.take(pages);
      await this.pause();
      if (this.over) return;
    }
    this.sendBlob();
    this.send(this.hash.digest());
    this.call.end();
  }

  private async plan(buckets: readonly BoltBucket[]): Promise<BoltPlan | undefined> {
    const planning = planBoltFile(buckets);
    for (;;) {
      const step = planning.next();
      if (step.done) return step.value;
      await this.pause();
      if (this.over) return undefined;
    }
  }

  private take(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const part = rest.subarray(0, BLOB_BYTES - this.filled);
      this.blob.set(part, this.filled);
      this.filled += part.length;
      rest = rest.subarray(part.length);
      if (this.filled === BLOB_BYTES) this.sendBlob();
    }
  }

  private sendBlob(): void {
    if (this.filled === 0) return;
    const blob = this.blob.subarray(0, this.filled);
    this.hash.update(blob);
    this.remaining -= blob.length;
    this.filled = 0;
    this.send(blob);
  }

  private send(blob: Uint8Array): void {
    const chunk = encodeBackupChunk({ remainingBytes: this.remaining, blob, version: STORAGE_VERSION });
    if (!this.call.send(chunk)) this.blocked = true;
  }

  /** Lets others go on when the slice is over, and waits while the reader is behind. */
  private async pause(): Promise<void> {
    if (this.blocked) await this.drained();
    else if (performance.now() < this.sliceEnd) return;
    else await nextTurn();
    this.sliceEnd = performance.now() + limits.backupSliceMs;
  }

  private async drained(): Promise<void> {
    if (this.over) return;
    const timer = setTimeout(() => this.call.end(STALLED), this.stallMs);
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    clearTimeout(timer);
  }

  private resume(): void {
    this.blocked = false;
    const { wake } = this;
    this.wake = undefined;
    wake?.();
  }
}
