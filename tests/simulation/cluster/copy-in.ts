import { GrpcCode } from '../../../libs/errors';
import { CopyInstaller, CorruptionError, openMvccStore, SimulatedDisk, type StoreOptions } from '../../../libs/mvcc';
import type { StreamCall } from '../../../libs/rpc';
import { nodeEnvironment } from '../../../libs/store/environment';
import {
  decodeStoreCopyPart,
  encodeStoreCopyInstalled,
  type StoreCopyEnd,
  type StoreCopyPart,
  type StoreSnapshot,
} from '../../../proto/gen/hexad';
import { snapshotOf } from '../../../services/storage/copy/installed';
import type { Identity } from '../../../services/storage/state/ids';
import { MemberTable } from '../../../services/storage/state/members';
import { saveIdentity } from '../../../services/storage/state/state';
import type { SimProcess } from '../world/process';

const COMMIT_BYTES = 4 * 1024;

export interface CopyInOptions {
  readonly process: SimProcess;
  readonly identity: Identity;
  readonly store: StoreOptions;
  /** A copy of an entry below this one is of no use. */
  readonly neededIndex: () => number;
  /** From here on this is the member's store. */
  readonly install: (disk: SimulatedDisk, snapshot: StoreSnapshot) => void;
}

/**
 * Takes a copy of another member's store, as services/storage/copy/copy-in.ts does, but onto a simulated disk: the files and
 * the engine are all that is different.
 */
export function serveCopyIn(options: CopyInOptions): (call: StreamCall) => void {
  return (call) => {
    const parts: StoreCopyPart[] = [];
    let isGone = false;
    call.onClose(() => {
      isGone = true;
    });
    call.onMessage((bytes) => {
      const part = decodeStoreCopyPart(bytes);
      parts.push(part);
      if (part.end === undefined) return;
      const end = part.end;
      options.process.machine.world.drainSoon();
      install(options, parts, end, () => isGone).then(
        (snapshot) => {
          if (isGone || !options.process.alive) return;
          call.send(encodeStoreCopyInstalled({ index: snapshot.index, term: snapshot.term }));
          call.end();
          setTimeout(() => options.process.end(), 1);
        },
        (error: unknown) => call.end({ code: GrpcCode.Aborted, message: String(error) }),
      );
    });
    call.onHalfClose(() => undefined);
  };
}

async function install(
  options: CopyInOptions,
  parts: readonly StoreCopyPart[],
  end: StoreCopyEnd,
  isGone: () => boolean,
): Promise<StoreSnapshot> {
  const disk = new SimulatedDisk();
  const installer = new CopyInstaller(disk.open(), nodeEnvironment, COMMIT_BYTES);
  for (const { chunk, end: last } of parts) if (last === undefined) await installer.add(chunk);
  await installer.finish({ ...end, position: { index: end.index, term: end.term } });
  const store = openMvccStore(disk.open(), nodeEnvironment, options.store);
  const { index, term } = store.applied;
  if (index !== end.index || term !== end.term) throw new CorruptionError('the copy is not what it says');
  const snapshot = snapshotOf(store, new MemberTable(store.table('members'), store.table('membersRemoved')));
  saveIdentity(store, options.identity);
  store.setApplied(index, term);
  await store.flush();
  await store.close();
  if (isGone() || !options.process.alive) throw new Error('the sender has gone');
  if (index < options.neededIndex()) throw new Error(`the store has applied more than entry ${index}`);
  options.install(disk, snapshot);
  return snapshot;
}
