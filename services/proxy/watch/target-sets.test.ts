import { encodeHubReplyBatch, encodeHubTargets, type HubTargetInput } from '../../../proto/gen/hexad';
import { ManualLoop, text } from '../testing/recorder';
import type { Delivery } from './delivery';
import { HubClient } from './hub-client';
import type { HubWatcher, Registration, SessionOwner } from './hub-session';
import { TargetSets } from './target-sets';

const spec = { key: text('k'), rangeEnd: text(''), startRevision: 0, progressNotify: false };
const plain = { ...spec, noPut: false, noDelete: false, prevKv: false };

class Owner implements SessionOwner {
  readonly seen: string[] = [];
  onCreated(): void {}
  onProgress(): void {}
  onCanceledByLoss(): void {}
  onCanceled({ clientId }: HubWatcher): void {
    this.seen.push(`canceled ${Number(clientId) + 1}`);
  }
  onEvents({ clientId }: HubWatcher, { content }: Delivery): void {
    this.seen.push(`${Number(clientId) + 1}@${content.revision}`);
  }
}

/** Two sessions of twenty watchers each, and a hub that sends to all of them by one set. */
function setUp() {
  const hub = new HubClient(new ManualLoop());
  const peer = hub.addHub('hub');
  peer.opened(() => undefined);
  const owners = [new Owner(), new Owner()] as const;
  const sessions = owners.map((owner) => hub.openSession(owner));
  const targets: HubTargetInput[] = [];
  for (const session of sessions) {
    for (let at = 0; at < 20; at++)
      targets.push({ session: session.id, watchId: session.create(plain, at, false).registration?.hubId });
  }
  const send = (to: readonly HubTargetInput[], revision: number): void => {
    const targetSet = encodeHubTargets({ targets: to });
    peer.onMessage(encodeHubReplyBatch({ deliveries: [{ targetSet, revision, events: [Uint8Array.of(0x5a, 0)] }] }));
  };
  return { hub, peer, owners, sessions, targets, send };
}

describe('target sets', () => {
  it('reach every watcher they name, each time they are sent', () => {
    const { owners, targets, send } = setUp();
    send(targets, 5);
    send(targets, 6);
    for (const { seen } of owners) {
      expect(seen).toHaveLength(40);
      expect(new Set(seen).size).toBe(40);
    }
  });

  it('pass over watchers that have gone since they were first sent', () => {
    const { hub, peer, owners, sessions, targets, send } = setUp();
    send(targets, 5);
    const [first, second] = sessions as [(typeof sessions)[0], (typeof sessions)[0]];
    peer.onMessage(
      encodeHubReplyBatch({ deliveries: [{ targets: [{ session: first.id, watchId: 3 }], canceled: true }] }),
    );
    hub.closeSession(second);
    send(targets, 6);
    expect(owners[0].seen).toContain('canceled 3');
    expect(owners[0].seen).not.toContain('3@6');
    expect(owners[0].seen.filter((line) => line.endsWith('@6'))).toHaveLength(19);
    expect(owners[1].seen.filter((line) => line.endsWith('@6'))).toEqual([]);
  });

  it('are told apart when they differ in a single watcher', () => {
    const { owners, targets, send } = setUp();
    send(targets.slice(0, 19), 5);
    send([...targets.slice(0, 18), targets[19] as HubTargetInput], 6);
    expect(owners[0].seen).toContain('19@5');
    expect(owners[0].seen).not.toContain('19@6');
    expect(owners[0].seen).toContain('20@6');
  });

  it('are looked up once while they stay the same, and kept in bounded number', () => {
    const find = jest.fn((session: number, hubId: number) => ({ session, hubId }) as unknown as Registration);
    const sets = new TargetSets(find);
    const set = (session: number): Uint8Array =>
      encodeHubTargets({ targets: Array.from({ length: 10 }, (_, at) => ({ session, watchId: at + 1 })) });
    for (let round = 0; round < 3; round++) sets.registrations(set(1));
    expect(find).toHaveBeenCalledTimes(10);
    for (let session = 2; session < 18; session++) sets.registrations(set(session));
    sets.registrations(set(17));
    expect(find).toHaveBeenCalledTimes(170);
    sets.registrations(set(1));
    expect(find).toHaveBeenCalledTimes(180);
  });
});
