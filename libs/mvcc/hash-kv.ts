import { NO_BYTES, writeUint64, writeVarint } from './bytes';
import { crc32c } from './crc32c';
import { placeOf } from './history-blocks';
import { failed } from './range';
import type { Place, Version } from './record';
import type { HashKvResult, Outcome } from './types';
import type { Versions } from './versions';

const SLICE_VERSIONS = 500;
const BUCKET = Uint8Array.of(0x6b, 0x65, 0x79); // "key"
const TAG_KEY = 0x0a;

/**
 * etcd's HashKV: CRC-32C over the name of its bucket and then, in order of revision, each entry's key there (main, '_',
 * sub, and 't' for a tombstone) and marshalled KeyValue. Versions up to the compact revision count only if they are live
 * at `revision`, so that it does not matter what has been deleted physically.
 */
export async function hashKv(
  versions: Versions,
  requested: number,
  pause: () => Promise<void>,
): Promise<Outcome<HashKvResult>> {
  if (requested > versions.revision) return failed('future-revision');
  const revision = requested === 0 ? versions.revision : requested;
  if (revision < versions.compactRevision) return failed('compacted');
  const compacted = versions.compactRevision;
  let hash = crc32c(BUCKET);
  let from: Place | undefined = { main: 0, sub: 0 };
  while (from !== undefined) {
    let left = SLICE_VERSIONS;
    let next: Place | undefined;
    versions.walkHistory(from, { main: revision + 1, sub: 0 }, (version) => {
      if (left-- === 0) {
        next = placeOf(version);
        return false;
      }
      if (version.modRevision > compacted || isKept(versions, version, revision)) hash = hashEntry(hash, version);
      return true;
    });
    from = next;
    if (from !== undefined) {
      await pause();
      // What a later compaction deletes meanwhile would be missing: begin again.
      if (versions.compactRevision > compacted) return hashKv(versions, revision, pause);
    }
  }
  return { ok: true, value: { hash, compactRevision: compacted, hashRevision: revision } };
}

function isKept(versions: Versions, version: Version, revision: number): boolean {
  if (version.isDelete) return false;
  const last = versions.latest(version.key);
  const live = last && versions.resolve(last, revision);
  return live?.modRevision === version.modRevision && live.sub === version.sub;
}

function hashEntry(before: number, version: Version): number {
  const name = new Uint8Array(version.isDelete ? 18 : 17);
  writeUint64(name, 0, version.modRevision);
  name[8] = 0x5f;
  writeUint64(name, 9, version.sub);
  if (version.isDelete) name[17] = 0x74;
  return crc32c(version.isDelete ? keyOnly(version.key) : version.kv, crc32c(name, before));
}

/** A tombstone's KeyValue as etcd stores it. */
function keyOnly(key: Uint8Array): Uint8Array {
  if (key.length === 0) return NO_BYTES;
  const bytes = new Uint8Array(key.length + 11);
  bytes[0] = TAG_KEY;
  const at = writeVarint(bytes, 1, key.length);
  bytes.set(key, at);
  return bytes.subarray(0, at + key.length);
}
