import { ETCD_VERSION } from './version';

/** A version of the member's programs, as far as members of other versions are concerned. */
export interface Release {
  /** `3.7.1`: what it tells the other members and clients. */
  readonly version: string;
  /**
   * The formats of entries that it understands, each by the cluster version from which on it may be proposed, rising. A format is
   * an encoding of entries and the rules by which they are applied.
   */
  readonly formatsSince: readonly string[];
}

/** This one. A new format is added at the end, with the version that brings it; an old one is understood for ever. */
export const RELEASE: Release = { version: ETCD_VERSION, formatsSince: ['3.0.0'] };

/** The newest format that this release understands. */
export function newestEntryFormat({ formatsSince }: Release): number {
  return formatsSince.length - 1;
}

/**
 * The newest format that may be proposed in a cluster of this version: the cluster version is in the log, and rises only once all
 * members are known to have it, so that whoever applies the entry understands it. `clusterVersion` empty: not decided yet.
 */
export function entryFormatAt(clusterVersion: string, { formatsSince }: Release): number {
  let format = 0;
  for (const [at, since] of formatsSince.entries())
    if (clusterVersion !== '' && !isLowerVersion(clusterVersion, since)) format = at;
  return format;
}

/** By major and minor number. */
export function isLowerVersion(a: string, b: string): boolean {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor < bMajor || (aMajor === bMajor && aMinor < bMinor);
}
