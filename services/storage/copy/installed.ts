import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { failpoint } from '../../../libs/failpoints';
import { CorruptionError, type Store } from '../../../libs/mvcc';
import { syncDirectory, writeDurably } from '../../../libs/process';
import { decodeStoreSnapshot, encodeStoreSnapshot, type StoreSnapshot } from '../../../proto/gen/hexad';
import type { MemberTable } from '../state/members';

const beforeClear = failpoint('copyInBeforeClearMarker');
const afterClear = failpoint('copyInAfterClearMarker');

/** Lies in a generation that came from another member, until raft has recorded what it stands for. */
const MARKER_FILE = 'installed';
const CRC_BYTES = 4;

export function writeInstalled(generation: string, snapshot: StoreSnapshot): void {
  const body = encodeStoreSnapshot(snapshot);
  const bytes = Buffer.alloc(CRC_BYTES + body.length);
  bytes.writeUInt32BE(crc32(body));
  bytes.set(body, CRC_BYTES);
  writeDurably(join(generation, MARKER_FILE), bytes);
}

/** undefined: the store is the member's own, or raft knows of it. @throws CorruptionError */
export function readInstalled(generation: string): StoreSnapshot | undefined {
  const path = join(generation, MARKER_FILE);
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  const body = bytes.subarray(CRC_BYTES);
  if (bytes.length < CRC_BYTES || bytes.readUInt32BE() !== crc32(body)) throw new CorruptionError(`${path} is damaged`);
  return decodeStoreSnapshot(body);
}

export function clearInstalled(generation: string): void {
  beforeClear.reach();
  rmSync(join(generation, MARKER_FILE), { force: true });
  syncDirectory(generation);
  afterClear.reach();
}

/** What the store stands for. */
export function snapshotOf(store: Store, members: MemberTable): StoreSnapshot {
  return {
    index: store.applied.index,
    term: store.applied.term,
    members: members
      .list()
      .map(({ id, name, peerUrls, isLearner }) => ({ id, name, peerUrls: [...peerUrls], isLearner })),
    removed: members.removedIds(),
  };
}
