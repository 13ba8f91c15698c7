import { placeOf } from './history-blocks';
import type { RevisionPlace, StoredVersion, VersionSlice } from './types';
import type { Versions } from './versions';

/** See `Store.versionSlice`. Gives at least one version if there is any. */
export function versionSlice(versions: Versions, from: RevisionPlace, to: number, bytesMax: number): VersionSlice {
  const found: StoredVersion[] = [];
  let bytes = 0;
  let next: RevisionPlace | undefined;
  versions.walkHistory(from, { main: to + 1, sub: 0 }, (version) => {
    if (bytes >= bytesMax) {
      next = placeOf(version);
      return false;
    }
    found.push(version);
    bytes += version.bytes.length;
    return true;
  });
  return { versions: found, next };
}
