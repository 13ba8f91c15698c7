import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { decodeHubRequestBatch, encodeHubRequestBatch } from '../../proto/gen/hexad';
import { WatchCore } from './core';

const WATCHERS = 50_000;
const PER_SESSION = 100;

function memory(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** As a proxy's messages bring them. */
function addSession(core: WatchCore, session: number): void {
  const requests = Array.from({ length: PER_SESSION }, (_, at) => ({
    session,
    create: { watchId: at + 1, key: Buffer.from(`/registry/pods/namespace/pod-${session}-${at}`) },
  }));
  const message = new Uint8Array(encodeHubRequestBatch({ requests }));
  for (const { create } of decodeHubRequestBatch(message).requests)
    if (create !== undefined) core.create(1, session, create);
  core.status(1, 0);
  core.takeOutputs();
}

test('a watcher takes at most three quarters of a kilobyte, also when no two watch the same', () => {
  const core = new WatchCore();
  core.events({ previousRevision: 1, revisions: [], currentRevision: 1, compactRevision: 0, bytes: 0 });
  addSession(core, 0);
  const before = memory();
  for (let session = 1; session <= WATCHERS / PER_SESSION; session++) addSession(core, session);
  const each = (memory() - before) / WATCHERS;
  expect(core.counters.watchers).toBe(WATCHERS + PER_SESSION);
  expect(core.counters.groups).toBe(WATCHERS + PER_SESSION);
  // The process as a whole takes more: its garbage is not collected at once.
  expect(each).toBeLessThan(750);
});
