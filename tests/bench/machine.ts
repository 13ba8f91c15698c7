import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { ROOT } from './servers';

function output(file: string, ...args: string[]): string | undefined {
  try {
    return execFileSync(file, args, { encoding: 'utf8', cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** The first line that an etcd says of itself. Fails at once if there is none, not after half of a run. */
function etcdVersion(etcd: string): string {
  const version = output(etcd, '--version')?.split('\n')[0];
  if (version !== undefined) return version;
  throw new Error(`cannot run ${etcd}: --etcd PATH or ETCD_BIN names another etcd, --no-etcd leaves it out`);
}

/** What a figure means nothing without: machine, versions and commit. */
export function machineFacts(etcd: string | undefined): Record<string, string> {
  const commit = output('git', 'rev-parse', '--short', 'HEAD');
  const changes = output('git', 'status', '--porcelain') ?? '';
  return {
    cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `Linux ${release()}`,
    node: process.version,
    etcd: etcd === undefined ? 'none' : etcdVersion(etcd),
    commit: commit === undefined ? 'unknown' : `${commit}${changes === '' ? '' : ' with uncommitted changes'}`,
    date: new Date().toISOString(),
  };
}
