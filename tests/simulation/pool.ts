import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Job, JobResult } from './jobs';

/** Every processor has a worker: what one does beside its thread is taken from another. */
const FLAGS = ['--single-threaded-gc', '--max-semi-space-size=32'];

/**
 * Runs jobs in worker processes, as many at once as there are workers. `onResult` says whether to go on; the promise resolves
 * when all jobs are done or it has said no.
 */
export function runJobs(
  jobs: Iterable<Job>,
  workers: number,
  onResult: (job: Job, result: JobResult) => boolean,
): Promise<void> {
  const queue = jobs[Symbol.iterator]();
  const children = new Set<ChildProcess>();
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      for (const child of children) child.kill('SIGKILL');
      children.clear();
    };
    const give = (child: ChildProcess): void => {
      const next = queue.next();
      if (next.done === true) {
        children.delete(child);
        child.kill('SIGKILL');
        if (children.size === 0) resolve();
        return;
      }
      const job = next.value;
      child.once('message', (result: JobResult) => {
        if (!children.has(child)) return;
        if (onResult(job, result)) give(child);
        else {
          stop();
          resolve();
        }
      });
      child.send(job);
    };
    for (let i = 0; i < workers; i++) {
      const child = fork(join(__dirname, 'worker.js'), { execArgv: FLAGS });
      children.add(child);
      child.on('exit', (code) => {
        if (!children.delete(child)) return;
        stop();
        reject(new Error(`a worker ended with code ${code}`));
      });
      give(child);
    }
  });
}
