import { parentPort } from 'node:worker_threads';
import { compareSync, genSaltSync, hashSync } from 'bcryptjs';
import type { PasswordJob, PasswordResult } from './password-pool';

// Runs in a thread of its own: hashing keeps a core busy for tens of milliseconds.
parentPort?.on('message', (job: PasswordJob) => {
  parentPort?.postMessage(run(job));
});

function run(job: PasswordJob): PasswordResult {
  try {
    if (job.hash !== undefined) return { id: job.id, matches: compareSync(job.password, job.hash) };
    // etcd's own hashes start with $2a$; since bcrypt's old defects are long mended, $2a$ and $2b$ mean the same.
    const salt = genSaltSync(job.cost).replace('$2b$', '$2a$');
    return { id: job.id, hash: hashSync(job.password, salt) };
  } catch {
    return { id: job.id, matches: false }; // a stored hash that is none matches nothing
  }
}
