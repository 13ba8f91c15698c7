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

/** What a figure means nothing without: machine, versions and commit. */
export function machineFacts(etcd: string | undefined): Record<string, string> {
  const commit = output('git', 'rev-parse', '--short', 'HEAD');
  const changes = output('git', 'status', '--porcelain') ?? '';
  return {
    cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `Linux ${release()}`,
    node: process.version,
    etcd: etcd === undefined ? 'none' : (output(etcd, '--version')?.split('\n')[0] ?? 'unknown'),
    commit: commit === undefined ? 'unknown' : `${commit}${changes === '' ? '' : ' with uncommitted changes'}`,
    date: new Date().toISOString(),
  };
}
