import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger, lockDirectory, StartError } from '../../libs/process';
import { defragmentOffline } from '../../libs/store';
import { Failure } from './failure';

/** Rewrites the store in a data directory without its free pages. Throws Failure. */
export async function defragmentDirectory(dataDir: string): Promise<void> {
  const storeDir = join(dataDir, 'member', 'db');
  const refuse = (reason: string): never => {
    throw new Failure(`failed to defragment etcd data[${dataDir}] (${reason})`);
  };
  if (existsSync(join(dataDir, 'member', 'snap', 'db')))
    refuse('it is a data directory of etcd, which etcdutl defragments');
  if (!existsSync(storeDir)) refuse('there is no store in it');
  const log = createLogger('hexutl', 'info', '');
  try {
    const unlock = await lockDirectory(storeDir, 0);
    try {
      log.info({ path: storeDir }, 'defragmenting');
      const { before, after } = await defragmentOffline(storeDir);
      log.info(
        { path: storeDir, 'before-bytes': before.file, 'after-bytes': after.file },
        'finished defragmenting directory',
      );
    } finally {
      unlock();
    }
  } catch (error) {
    refuse(error instanceof Error || error instanceof StartError ? error.message : String(error));
  }
}
