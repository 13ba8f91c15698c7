import { Errors, GrpcCode, type RpcError } from '../../libs/errors';
import type { Engine, Store } from '../../libs/mvcc';
import type { Logger } from '../../libs/process';
import type { UnaryCall } from '../../libs/rpc';
import { defragment, NoSpaceError, UncertainSwitchError } from '../../libs/store';
import type { Gate } from './gate';
import { limits } from './limits';
import type { MaintenanceCounts } from './maintenance-counts';
import { Pace } from './pace';

export interface DefragmenterOptions {
  readonly store: Store;
  readonly storeDir: string;
  readonly workerFile: string;
  readonly gate: Gate;
  readonly logger: Logger;
  readonly fatal: (error: unknown) => never;
  /** Another member's copy is taking the store's place. */
  readonly isReplaced: () => boolean;
  readonly openEngine: (file: string) => Engine;
  readonly counts: MaintenanceCounts;
  /** A commit is waiting for space on the disk: whoever waited for it would wait as long. */
  readonly isDiskFull: () => boolean;
}

const NO_BYTES = new Uint8Array(0);

/**
 * `Storage.Defragment`: one at a time; whoever asks meanwhile gets the same outcome. It goes on when its client has gone, as in
 * etcd. The asker has checked the rights.
 */
export class Defragmenter {
  private running: Promise<RpcError | undefined> | undefined;
  private closed = false;
  private attempt = new AbortController();

  constructor(private readonly options: DefragmenterOptions) {}

  serve(call: UnaryCall): void {
    const { gate, isReplaced, isDiskFull } = this.options;
    if (!gate.isOpen || this.closed || isReplaced()) {
      call.fail(Errors.Stopped);
      return;
    }
    if (this.running === undefined && isDiskFull()) {
      call.fail(this.failed(new NoSpaceError('the store itself waits for space')));
      return;
    }
    this.running ??= this.run();
    void this.running.then((error) => {
      if (error === undefined) call.reply(NO_BYTES);
      else call.fail(error);
    });
  }

  /** Resolves once nothing of a defragmentation is under way. */
  async giveUp(reason: string): Promise<void> {
    this.attempt.abort(new Error(reason));
    await this.running;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.giveUp('the process stops');
  }

  private async run(): Promise<RpcError | undefined> {
    const { store, storeDir, workerFile, openEngine, logger, counts } = this.options;
    this.attempt = new AbortController();
    const { signal } = this.attempt;
    const pace = new Pace(limits.defragmentBytesPerSecond, () => store.applied.index);
    const before = store.sizes();
    const began = performance.now();
    counts.defragmentations++;
    logger.info({ ...sizesOf(before) }, 'starting to defragment');
    try {
      await defragment({ store, storeDir, workerFile, openEngine, signal, pause: (bytes) => pace.step(bytes) });
      const seconds = (performance.now() - began) / 1_000;
      counts.defragmentation.observe(seconds);
      logger.info({ ...sizesOf(store.sizes()), before: before.file, seconds }, 'finished defragmenting');
      return undefined;
    } catch (error) {
      return this.failed(error);
    } finally {
      this.running = undefined;
      counts.defragmentations--;
    }
  }

  private failed(error: unknown): RpcError {
    const { logger, fatal } = this.options;
    if (error instanceof UncertainSwitchError) fatal(error);
    const message = `etcdserver: defragmentation failed: ${error instanceof Error ? error.message : String(error)}`;
    logger.error({ error: String(error) }, 'failed to defragment');
    return { code: error instanceof NoSpaceError ? GrpcCode.ResourceExhausted : GrpcCode.Internal, message };
  }
}

function sizesOf({ file, inUse }: { file: number; inUse: number }): object {
  return { 'current-db-size-bytes': file, 'current-db-size-in-use-bytes': inUse };
}
