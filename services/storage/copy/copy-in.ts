import { rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { CopyInstaller, CorruptionError, type Store } from '../../../libs/mvcc';
import { failpoint } from '../../../libs/failpoints';
import { type Logger, writeDurably } from '../../../libs/process';
import type { StreamCall } from '../../../libs/rpc';
import { GrpcCode } from '../../../libs/errors';
import { beginGeneration, LmdbEngine, nodeEnvironment, openStore, POINTER_FILE, pointerTo } from '../../../libs/store';
import {
  decodeStoreCopyPart,
  encodeStoreCopyInstalled,
  type StoreCopyEnd,
  type StoreCopyPart,
  type StoreSnapshot,
} from '../../../proto/gen/hexad';
import type { MaintenanceCounts } from '../maintenance-counts';
import type { Identity } from '../state/ids';
import { MemberTable } from '../state/members';
import { saveIdentity } from '../state/state';
import { snapshotOf, writeInstalled } from './installed';

const beforeFirstRow = failpoint('copyInBeforeFirstRow');
const beforeFinish = failpoint('copyInBeforeFinish');
const afterFinish = failpoint('copyInAfterFinish');
const afterIdentity = failpoint('copyInAfterIdentity');
const beforeSwitch = failpoint('copyInBeforeSwitch');
const afterSwitch = failpoint('copyInAfterSwitch');

/** What may wait for the disk before the sender is held back. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const COMMIT_BYTES = 4 * 1024 * 1024;

export interface CopyInOptions {
  readonly storeDir: string;
  readonly identity: Identity;
  /** The store in use, which serves until the copy takes its place. */
  readonly store: Store;
  /** A copy of an entry below this one is of no use. */
  readonly neededIndex: () => number;
  readonly logger: Logger;
  readonly counts: MaintenanceCounts;
  /** Resolves when nobody else works on another generation of the store. */
  readonly makeWay: () => Promise<void>;
  /** Ends the process, to begin anew with the copy. */
  readonly restart: (reason: string) => void;
}

/** Takes a copy of another member's store in place of this one. The latest to come counts. */
export class CopyInServer {
  private current: IncomingCopy | undefined;

  constructor(private readonly options: CopyInOptions) {}

  serve(call: StreamCall): void {
    const before = this.current;
    before?.abort('another copy has begun');
    const copy = new IncomingCopy(call, this.options, before?.ended ?? Promise.resolve());
    this.current = copy;
  }

  /** A copy is under way. */
  get isActive(): boolean {
    return this.current?.isOver === false;
  }

  close(): void {
    this.current?.abort('the process stops');
  }
}

/** One copy, written into a generation of its own while it arrives. */
class IncomingCopy {
  private readonly parts: StoreCopyPart[] = [];
  private waitingBytes = 0;
  private wake: () => void = () => undefined;
  private failure: Error | undefined;
  isOver = false;
  /** Resolves when nothing of it is left to do; it never rejects. */
  readonly ended: Promise<void>;

  constructor(
    private readonly call: StreamCall,
    private readonly options: CopyInOptions,
    before: Promise<void>,
  ) {
    call.onMessage((bytes) => this.take(bytes));
    call.onHalfClose(() => this.take(undefined));
    call.onClose(() => this.abort('the sender has gone'));
    this.ended = before.then(() => this.run());
  }

  abort(reason: string): void {
    this.failure ??= new Error(reason);
    this.wake();
  }

  private take(bytes: Uint8Array | undefined): void {
    try {
      // An empty part stands for the end of the stream, which must not come before the end of the copy.
      this.parts.push(bytes === undefined ? { chunk: new Uint8Array(0), end: undefined } : decodeStoreCopyPart(bytes));
    } catch {
      this.abort('a malformed message');
      return;
    }
    this.waitingBytes += bytes?.length ?? 0;
    if (this.waitingBytes > WAITING_BYTES_MAX) this.call.pause();
    this.wake();
  }

  private async run(): Promise<void> {
    const { storeDir, logger, counts } = this.options;
    const began = performance.now();
    let directory: string | undefined;
    try {
      await this.options.makeWay();
      if (this.failure !== undefined) throw this.failure;
      const generation = beginGeneration(storeDir);
      directory = generation.directory;
      const end = await this.receive(directory);
      const snapshot = await this.makeOwn(directory, end);
      this.switchTo(generation.name, directory, snapshot);
    } catch (error) {
      const message = withSpace(error instanceof Error ? error.message : String(error), storeDir);
      logger.warn({ error: message }, 'a copy of the store was not installed');
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
      this.call.end({ code: GrpcCode.Aborted, message });
      this.isOver = true;
    } finally {
      counts.copyIn.observe((performance.now() - began) / 1000);
    }
  }

  private async receive(directory: string): Promise<StoreCopyEnd> {
    const engine = new LmdbEngine(join(directory, 'db'));
    try {
      await beforeFirstRow.pass();
      const installer = new CopyInstaller(engine, nodeEnvironment, COMMIT_BYTES);
      for (;;) {
        const { chunk, end } = await this.nextPart();
        if (end !== undefined) {
          await beforeFinish.pass();
          await installer.finish({ ...end, position: { index: end.index, term: end.term } });
          await afterFinish.pass();
          return end;
        }
        if (chunk.length === 0) throw new CorruptionError('the store copy ended early');
        await installer.add(chunk);
      }
    } finally {
      await engine.close();
    }
  }

  private async nextPart(): Promise<StoreCopyPart> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      const part = this.parts.shift();
      if (part !== undefined) {
        this.waitingBytes -= part.chunk.length;
        if (this.waitingBytes < WAITING_BYTES_MAX / 2) this.call.resume();
        return part;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** The copy says whose it was; from here on it is this member's. Gives what it stands for. */
  private async makeOwn(directory: string, end: StoreCopyEnd): Promise<StoreSnapshot> {
    const { identity } = this.options;
    if (end.clusterId !== identity.clusterId) throw new Error('the store copy is of another cluster');
    const onFatal = (error: unknown): void => this.abort(error instanceof Error ? error.message : String(error));
    const store = openStore({ directory, onFatal });
    try {
      const { index, term } = store.applied;
      if (index !== end.index || term !== end.term)
        throw new CorruptionError(`a store copy of entry ${end.index} stands at entry ${index}`);
      const members = new MemberTable(store.table('members'), store.table('membersRemoved'));
      const snapshot = snapshotOf(store, members);
      saveIdentity(store, identity);
      store.setApplied(index, term);
      await store.flush();
      await afterIdentity.pass();
      return snapshot;
    } finally {
      await store.close();
    }
  }

  /** From the rename on this is the member's store, whatever happens; raft learns of it when storage has started anew. */
  private switchTo(name: string, directory: string, snapshot: StoreSnapshot): void {
    const { storeDir, store, logger, restart, neededIndex } = this.options;
    if (this.failure !== undefined) throw this.failure;
    if (snapshot.index < neededIndex())
      throw new Error(
        `the store has applied entry ${store.applied.index}: a copy of entry ${snapshot.index} is no use`,
      );
    writeInstalled(directory, snapshot);
    beforeSwitch.reach();
    writeDurably(join(storeDir, POINTER_FILE), pointerTo(name));
    afterSwitch.reach();
    const { index, term } = snapshot;
    logger.info({ index, term, generation: name }, 'applied snapshot');
    // The answer is on its way two turns later; should it be lost, raft learns the same when storage comes back.
    this.call.onClose(() =>
      setImmediate(() => setImmediate(() => restart(`the store is a copy of another member's at entry ${index}`))),
    );
    this.call.send(encodeStoreCopyInstalled({ index, term }));
    this.call.end();
  }
}

/** A full disk looks like a failed write: the store's engine does not say why its writes fall short. */
function withSpace(message: string, directory: string): string {
  const { bavail, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  return free < 2 * COMMIT_BYTES ? `${message} (no space left on device: ${free} bytes are free)` : message;
}
