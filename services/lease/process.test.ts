import { FakeMember } from '../../libs/member-links/testing/fake-member';
import { isServing, RealProcess } from '../../libs/member-links/testing/real-process';
import { parseAddress } from '../../libs/process';

let member: FakeMember;
beforeEach(async () => {
  member = new FakeMember();
  await member.start();
});
afterEach(() => member.stop());

describe('the lease process as the supervisor runs it', () => {
  it('reports its address, serves, and ends with 0 on SIGTERM', async () => {
    const child = new RealProcess('lease', member.addresses);
    expect(await child.report).toEqual({ ready: true, address: member.addresses.lease });
    expect(await isServing(parseAddress(member.addresses.lease))).toBe(true);
    expect(await child.stop()).toBe(0);
    expect(await isServing(parseAddress(member.addresses.lease))).toBe(false);
  });

  it('ends when its parent is gone', async () => {
    const child = new RealProcess('lease', member.addresses);
    await child.report;
    expect(await child.orphan()).toBe(1);
  });
});
