import { accessSync, chmodSync, constants, existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type MemberConfig, PROCESS_NAMES, type ProcessName } from '../../libs/config';
import { StartError, syncDirectory } from '../../libs/process';

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
  if (data.length > 0) {
    for (const directory of [dataDir, memberDir, ...data]) makeDirectory(directory);
    // Always: a start that was cut short may have made them without coming this far.
    for (const directory of [dirname(dataDir), dataDir, memberDir]) syncNames(directory);
  }
  const sockets = new Set(Object.values(config.addresses).filter((address) => address.startsWith('unix:')));
  for (const address of sockets) prepareSocketDirectory(address);
}

/** Does nothing for a TCP address. */
export function prepareSocketDirectory(address: string): void {
  if (address.startsWith('unix:')) makeDirectory(dirname(address.slice('unix:'.length)));
}

/** Takes the directory of the sockets away after a stop, unless something is left in it. */
export function removeRunDirectory(config: MemberConfig): void {
  for (const address of Object.values(config.addresses)) {
    if (!address.startsWith('unix:')) continue;
    try {
      rmdirSync(dirname(address.slice('unix:'.length)));
    } catch {
      return; // not empty, not ours, or gone: it does no harm
    }
  }
}

function makeDirectory(directory: string): void {
  try {
    makePath(directory);
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new StartError(`cannot access data directory: ${(error as Error).message}${hintFor(error, directory)}`);
  }
}

function hintFor(error: unknown, directory: string): string {
  const user = `${String(process.getuid?.())}:${String(process.getgid?.())}`;
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EACCES':
    case 'EPERM':
      return ` (this process runs as ${user}: give it the directory with "chown -R ${user} ${directory}")`;
    case 'EROFS':
      return ' (the file system is read-only: is the volume for the data missing?)';
    default:
      return '';
  }
}

/** The parent of the data directory may be one that we may not read. */
function syncNames(directory: string): void {
  try {
    syncDirectory(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return;
    throw new StartError(`cannot sync ${directory}: ${(error as Error).message}`);
  }
}

/** Not `recursive`: Node 20's never returns where the kernel says ENOENT below a directory that exists, as /proc does. */
function makePath(directory: string): void {
  if (existsSync(directory)) {
    if (!statSync(directory).isDirectory()) throw new Error(`${directory} is not a directory`);
    return;
  }
  makePath(dirname(directory));
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return; // another member made it in between
  }
  chmodSync(directory, 0o700); // the umask may have taken bits away
}
