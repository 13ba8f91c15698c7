import { FakeMember } from '../../libs/member-links/testing/fake-member';
import { isServing, RealProcess } from '../../libs/member-links/testing/real-process';
import { parseAddress } from '../../libs/process';
import { BatchClient, type BatchReply } from '../../libs/rpc';
import { encodeAuthenticateRequest } from '../../proto/gen/etcdserverpb';
import {
  AUTH_PATHS,
  AuthMethod,
  decodeAuthToken,
  decodeHashedPassword,
  encodePasswordToHash,
} from '../../proto/gen/hexad';

let member: FakeMember;
beforeEach(async () => {
  member = new FakeMember();
  await member.start();
});
afterEach(() => member.stop());

describe('the auth process as the supervisor runs it', () => {
  it('reports its address, serves, and ends with 0 on SIGTERM', async () => {
    const child = new RealProcess('auth', member.addresses);
    expect(await child.report).toEqual({ ready: true, address: member.addresses.auth });
    expect(await isServing(parseAddress(member.addresses.auth))).toBe(true);
    expect(await child.stop()).toBe(0);
    expect(await isServing(parseAddress(member.addresses.auth))).toBe(false);
  });

  it('ends when its parent is gone', async () => {
    const child = new RealProcess('auth', member.addresses);
    await child.report;
    expect(await child.orphan()).toBe(1);
  });

  it('hashes and compares passwords and logs in through the log', async () => {
    const child = new RealProcess('auth', member.addresses, ['--bcrypt-cost=4']);
    await child.report;
    const proxy = await connectTo(member.addresses.auth);
    const hashed = await call(proxy, AuthMethod.AUTH_HASH_PASSWORD, encodePasswordToHash({ password: 'secret' }));
    const { hash } = decodeHashedPassword(hashed.payload);
    member.users.set('alice', { hash: Buffer.from(hash), noPassword: false });
    const request = encodeAuthenticateRequest({ name: 'alice', password: 'secret' });
    const { token } = decodeAuthToken((await call(proxy, AuthMethod.AUTH_AUTHENTICATE, request)).payload);
    expect(token).toMatch(/^[a-zA-Z]{16}\.\d+$/);
    proxy.close();
    expect(await child.stop()).toBe(0);
    expect(child.log).not.toContain('secret');
  });

  it('refuses to start with a token option that can not be used, in one line', async () => {
    const child = new RealProcess('auth', member.addresses, ['--auth-token=jwt,sign-method=RS256,priv-key=/nowhere']);
    const { ready, error } = await child.report;
    expect(ready).toBe(false);
    expect(error).toMatch(/^--auth-token: cannot read \/nowhere: .*$/);
    expect(await child.exit).toBe(3);
  });
});

function connectTo(address: string): Promise<BatchClient> {
  return new Promise((resolve) => {
    const client = new BatchClient({
      address: parseAddress(address),
      path: AUTH_PATHS.Calls,
      lostError: 1,
      busyError: 2,
      onOpen: () => resolve(client),
    });
  });
}

function call(client: BatchClient, method: number, payload: Uint8Array): Promise<BatchReply> {
  return new Promise((resolve) => client.call(method, payload, {}, resolve));
}
