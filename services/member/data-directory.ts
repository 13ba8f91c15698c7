import { accessSync, chmodSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type MemberConfig, PROCESS_NAMES, type ProcessName } from '../../libs/config';
import { StartError } from '../../libs/process';

/**
 * Makes the directories that these processes of the member need (mode 0700) and refuses those of a real etcd.
 *
 * @throws StartError with one line
 */
export function prepareDirectories(config: MemberConfig, processes: readonly ProcessName[] = PROCESS_NAMES): void {
  const { memberDir, dataDir, storeDir, walDir } = config.paths;
  if (existsSync(join(memberDir, 'snap', 'db')) || existsSync(join(memberDir, 'snap'))) {
    throw new StartError(
      `${dataDir} was made by etcd: import it with "hexutl snapshot restore ${join(memberDir, 'snap', 'db')} --data-dir NEW_DIR"`,
    );
  }
  const data = [...(processes.includes('raft') ? [walDir] : []), ...(processes.includes('storage') ? [storeDir] : [])];
  if (data.length > 0) for (const directory of [dataDir, memberDir, ...data]) makeDirectory(directory);
  const sockets = new Set(Object.values(config.addresses).filter((address) => address.startsWith('unix:')));
  for (const address of sockets) makeDirectory(dirname(address.slice('unix:'.length)));
}

function makeDirectory(directory: string): void {
  try {
    const isNew = mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined;
    if (isNew) chmodSync(directory, 0o700); // the umask may have taken bits away
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new StartError(`cannot access data directory: ${(error as Error).message}`);
  }
}
