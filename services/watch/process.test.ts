import { isServing, RealProcess } from '../../libs/member-links/testing/real-process';
import { parseAddress } from '../../libs/process';
import { FakeStorage } from './testing/fake-storage';
import { HubClient } from './testing/hub-client';

let storage: FakeStorage;
let addresses: Record<string, string>;
beforeEach(async () => {
  storage = new FakeStorage();
  await storage.start();
  addresses = { storage: `unix:${storage.directory}/storage.sock`, watch: `unix:${storage.directory}/watch.sock` };
});
afterEach(() => storage.destroy());

describe('the watch process as the supervisor runs it', () => {
  it('reports its address, delivers events, and ends with 0 on SIGTERM', async () => {
    const child = new RealProcess('watch', addresses);
    expect(await child.report).toEqual({ ready: true, address: addresses['watch'] });
    const address = parseAddress(addresses['watch'] ?? '');
    expect(await isServing(address)).toBe(true);
    const client = new HubClient(address);
    client.watch(1, { watchId: 1, key: 'k' });
    await client.created(1, 1);
    storage.write('k', 'v');
    await client.until(() => client.events(1, 1).length === 1);
    expect(await child.stop()).toBe(0);
    await client.until(() => client.closed);
    client.close();
  });

  it('ends when its parent is gone', async () => {
    const child = new RealProcess('watch', addresses);
    await child.report;
    expect(await child.orphan()).toBe(1);
  });
});
