import { join } from 'node:path';
import fc from 'fast-check';
import { eventsSubject, type Messenger, type OnMessage } from '../../libs/event-bus';
import { configOf } from '../../libs/member-links/testing/config';
import { createLogger, type RunningProcess } from '../../libs/process';
import { encodeEventBatch } from '../../proto/gen/hexad';
import { startWatch } from './server';
import { FakeStorage } from './testing/fake-storage';
import { HubClient } from './testing/hub-client';

const CLUSTER = 0xc1n;
const MEMBER = 0xa1n;
const SUBJECT = eventsSubject(CLUSTER, MEMBER);

/** A bus whose every message the test has in hand. */
class Bus implements Messenger {
  isConnected = true;
  private readonly listeners = new Map<string, OnMessage>();

  publish(): boolean {
    return this.isConnected;
  }

  subscribe(subject: string, onMessage: OnMessage): () => void {
    this.listeners.set(subject, onMessage);
    return () => this.listeners.delete(subject);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  bring(message: Uint8Array, subject = SUBJECT): void {
    this.listeners.get(subject)?.(message, '');
  }

  get subjects(): string[] {
    return [...this.listeners.keys()];
  }
}

let storage: FakeStorage;
let bus: Bus;
let hub: RunningProcess;
let client: HubClient;
let heartbeat: NodeJS.Timeout;

beforeEach(async () => {
  storage = new FakeStorage();
  storage.clusterId = CLUSTER;
  storage.memberId = MEMBER;
  bus = new Bus();
  storage.onBus = (message) => bus.bring(message);
  await storage.start();
  const path = join(storage.directory, 'watch.sock');
  const addresses = { storage: `unix:${storage.directory}/storage.sock`, watch: `unix:${path}` };
  const logger = createLogger('watch', 'fatal', 'm1');
  const fatal = (error: unknown): never => {
    throw error;
  };
  hub = await startWatch({ config: configOf('watch', addresses), logger, fatal }, {}, bus);
  client = new HubClient({ kind: 'unix', path });
  heartbeat = setInterval(() => storage.heartbeat(), 20);
});

afterEach(async () => {
  clearInterval(heartbeat);
  client.close();
  await hub.shutdown();
  await storage.destroy();
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a hub with an event bus', () => {
  it('gets events over the bus once it has heard something there, and each of them once', async () => {
    client.watch(1, { watchId: 1, key: 'k' });
    await client.created(1, 1);
    await until(() => storage.wishes.join() === 'bus');
    for (const value of ['1', '2', '3']) storage.write('k', value);
    await client.until(() => client.events(1, 1).length === 3);
    expect(client.events(1, 1)).toEqual(['k=1', 'k=2', 'k=3']);
    expect(storage.historyReads).toBe(0);
  });

  it('has events sent by storage while the bus is silent, and goes back to the bus', async () => {
    client.watch(1, { watchId: 1, key: 'k' });
    await client.created(1, 1);
    await until(() => storage.wishes.join() === 'bus');
    storage.onBus = undefined;
    storage.write('k', 'lost on the bus');
    await client.until(() => client.events(1, 1).length === 1);
    await until(() => storage.wishes.join() === 'stream');
    storage.write('k', 'by stream');
    await client.until(() => client.events(1, 1).length === 2);
    storage.onBus = (message) => bus.bring(message);
    await until(() => storage.wishes.join() === 'bus');
    storage.write('k', 'by bus');
    await client.until(() => client.events(1, 1).length === 3);
    expect(client.events(1, 1)).toEqual(['k=lost on the bus', 'k=by stream', 'k=by bus']);
  });

  it('leaves a bus that has lost its connection at once', async () => {
    client.watch(1, { watchId: 1, key: 'k' });
    await until(() => storage.wishes.join() === 'bus');
    bus.isConnected = false;
    await until(() => storage.wishes.join() === 'stream');
  });

  it("takes nothing from the bus that is not its own member's, not in order or no message at all", async () => {
    client.watch(1, { watchId: 1, key: 'k' });
    await client.created(1, 1);
    await until(() => storage.wishes.join() === 'bus');
    const [event] = storage.writeSilently('k', 'true').events ?? [];
    const forged = (fields: object): Uint8Array =>
      encodeEventBatch({ clusterId: CLUSTER, memberId: MEMBER, previousRevision: 1, currentRevision: 9, ...fields });
    const revisions = (...numbers: number[]) => numbers.map((revision) => ({ revision, events: event ? [event] : [] }));
    bus.bring(Uint8Array.of(0xff, 0xff, 0xff));
    bus.bring(forged({ memberId: 0xbadn, revisions: revisions(2) }));
    bus.bring(forged({ revisions: revisions(3, 3) }));
    bus.bring(forged({ revisions: revisions(1) }));
    bus.bring(forged({ revisions: revisions(12) }));
    storage.write('k', 'next');
    await client.until(() => client.events(1, 1).length === 2);
    expect(client.events(1, 1)).toEqual(['k=true', 'k=next']);
  });

  it('listens to the member that storage says it is, and to another when storage is another', async () => {
    await until(() => bus.subjects.join() === SUBJECT);
    storage.memberId = 0xa2n;
    await until(() => bus.subjects.join() === eventsSubject(CLUSTER, 0xa2n));
  });

  it('delivers each event once and in order whatever the bus loses, repeats, delays and mixes up', async () => {
    client.watch(1, { watchId: 1, key: 'k', rangeEnd: 'l' });
    await client.created(1, 1);
    await until(() => storage.wishes.join() === 'bus');
    let written = 0;
    const fate = fc.constantFrom('pass', 'lose', 'repeat', 'delay', 'release');
    await fc.assert(
      fc.asyncProperty(fc.array(fate, { minLength: 1, maxLength: 40 }), async (fates) => {
        const delayed: Uint8Array[] = [];
        for (const what of fates) {
          storage.onBus = (message) => {
            if (what === 'delay') delayed.unshift(message);
            else if (what !== 'lose') bus.bring(message);
            if (what === 'repeat') bus.bring(message);
          };
          storage.write('k1', String(written));
          written += 1;
          if (what === 'release') for (const message of delayed.splice(0)) bus.bring(message);
        }
        storage.onBus = (message) => bus.bring(message);
        await client.until(() => client.events(1, 1).length >= written);
      }),
      { numRuns: 25 },
    );
    expect(client.events(1, 1)).toEqual(Array.from({ length: written }, (_, at) => `k1=${at}`));
  }, 30_000);
});
