import { isLowerVersion, newestEntryFormat, type Release } from '../../../libs/limits';
import { StartError } from '../../../libs/process';

/**
 * A member that does not understand an entry may not go past it: what it would make of it is not what the others make of it.
 *
 * @throws StartError when the entry's format is newer than this release's
 */
export function refuseNewerFormat(format: number, index: number, release: Release): void {
  if (format <= newestEntryFormat(release)) return;
  throw new StartError(
    `entry ${index} has format ${format}, which version ${release.version} does not understand: start this member with the version of the others`,
  );
}

/**
 * In a cluster of a higher version this member would meet entries that it does not understand (the first words are etcd's).
 *
 * @throws StartError
 */
export function refuseNewerCluster(clusterVersion: string, release: Release): void {
  if (clusterVersion === '' || !isLowerVersion(release.version, clusterVersion)) return;
  throw new StartError(
    `invalid downgrade; server version is lower than determined cluster version: ${release.version} is lower than ${clusterVersion}`,
  );
}
