import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareSync, hashSync } from 'bcryptjs';
import { type AuthTokenSpec, createJwtVerifier } from '../../libs/auth-token';
import { Errors, UNCATALOGUED_ID } from '../../libs/errors';
import { configOf } from '../../libs/member-links/testing/config';
import { FakeMember } from '../../libs/member-links/testing/fake-member';
import { createLogger, parseAddress, type RunningProcess } from '../../libs/process';
import { BatchClient, type BatchReply } from '../../libs/rpc';
import { encodeAuthenticateRequest } from '../../proto/gen/etcdserverpb';
import {
  AUTH_PATHS,
  AuthMethod,
  decodeAuthToken,
  decodeHashedPassword,
  encodePasswordToHash,
} from '../../proto/gen/hexad';
import type { AuthConfig } from './config';
import type { Passwords } from './password-pool';
import { startAuthWith } from './server';

let member: FakeMember;
let auth: RunningProcess;
let proxy: BatchClient;
let comparisons = 0;

const COST = 4;
const passwords: Passwords = {
  hash: (password) => Promise.resolve(hashSync(password, COST)),
  verify: (password, hash) => {
    comparisons += 1;
    return Promise.resolve(compareSync(password, hash));
  },
};

async function start(token: AuthTokenSpec = { kind: 'simple' }, requestTimeoutMs = 5_000): Promise<void> {
  await member.start();
  const config = configOf('auth', member.addresses);
  const settings: AuthConfig = { requestTimeoutMs, bcryptCost: COST, token, hashingThreads: 1 };
  const fatal = (error: unknown): never => {
    throw error;
  };
  const context = { config, logger: createLogger('auth', 'error', 'm1'), fatal };
  auth = await startAuthWith(context, settings, passwords, () => Promise.resolve());
  await new Promise<void>((resolve) => {
    proxy = new BatchClient({
      address: parseAddress(member.addresses.auth),
      path: AUTH_PATHS.Calls,
      lostError: Errors.TimeoutConnectionLost.id,
      busyError: Errors.TooManyRequests.id,
      onOpen: resolve,
    });
  });
}

function call(method: number, payload: Uint8Array): Promise<BatchReply> {
  return new Promise((resolve) => proxy.call(method, payload, {}, resolve));
}

function login(name: string, password: string): Promise<BatchReply> {
  return call(AuthMethod.AUTH_AUTHENTICATE, encodeAuthenticateRequest({ name, password }));
}

function addUser(name: string, password: string): void {
  member.users.set(name, { hash: Buffer.from(hashSync(password, COST)), noPassword: false });
}

beforeEach(() => {
  comparisons = 0;
  member = new FakeMember();
  addUser('alice', 'secret');
});

afterEach(async () => {
  proxy.close();
  await auth.shutdown();
  await member.stop();
});

describe('the auth process', () => {
  it('assigns a simple token of 16 letters and its index through the log', async () => {
    await start();
    const reply = await login('alice', 'secret');
    expect(reply.error).toBe(0);
    const { token } = decodeAuthToken(reply.payload);
    expect(token).toMatch(/^[a-zA-Z]{16}\.\d+$/);
    expect(token.endsWith(`.${member.index}`)).toBe(true);
    expect(member.tokens).toEqual([{ user: 'alice', token: token.slice(0, 17), authRevision: 5 }]);
    expect(member.proposed[0]?.entry.internal).toBe(true);
  });

  it.each([
    ['a wrong password', 'alice', 'guess'],
    ['an unknown user', 'mallory', 'secret'],
  ])('refuses %s with the same error, after the same work', async (_what, name, password) => {
    await start();
    expect((await login(name, password)).error).toBe(Errors.AuthFailed.id);
    expect(comparisons).toBe(1);
    expect(member.proposed).toHaveLength(0);
  });

  it('refuses a user without password and everybody while auth is off', async () => {
    member.users.set('robot', { hash: new Uint8Array(0), noPassword: true });
    await start();
    expect((await login('robot', '')).error).toBe(Errors.NoPasswordUser.id);
    member.authEnabled = false;
    expect((await login('alice', 'secret')).error).toBe(Errors.AuthNotEnabled.id);
  });

  it('checks again when the auth records changed while it worked', async () => {
    await start();
    const raced = login('alice', 'secret');
    const { propose } = member as unknown as { propose: (...args: unknown[]) => void };
    let once = true;
    (member as unknown as { propose: (...args: unknown[]) => void }).propose = (...args) => {
      if (once) member.authRevision += 1;
      once = false;
      propose.apply(member, args);
    };
    expect((await raced).error).toBe(0);
    expect(member.proposed).toHaveLength(2);
    expect(member.tokens[0]?.authRevision).toBe(6);
    expect(comparisons).toBe(2);
  });

  it('waits for raft to come back, and says that the time is over when it does not', async () => {
    await start({ kind: 'simple' }, 1_500);
    await member.stopRaft();
    const waiting = login('alice', 'secret');
    await member.startRaft();
    expect((await waiting).error).toBe(0);
    member.holdsReadIndexes = true;
    expect((await login('alice', 'secret')).error).toBe(Errors.Timeout.id);
  });

  it('slows down guessing without hurting other users', async () => {
    addUser('bob', 'fine');
    await start();
    const guesses = await Promise.all(Array.from({ length: 40 }, (_, i) => login('alice', `guess ${i}`)));
    const refused = guesses.filter((reply) => reply.error === Errors.TooManyRequests.id);
    expect(refused.length).toBeGreaterThan(10);
    expect(comparisons).toBeLessThan(30);
    expect((await login('bob', 'fine')).error).toBe(0);
  });

  it('compares once for many logins of one user that arrive together', async () => {
    await start();
    const replies = await Promise.all(Array.from({ length: 200 }, () => login('alice', 'secret')));
    for (const reply of replies) expect(reply.error).toBe(0);
    expect(new Set(replies.map((reply) => decodeAuthToken(reply.payload).token)).size).toBe(200);
    expect(comparisons).toBeLessThan(20);
  });

  it('signs a JWT without an entry in the log', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const privateKeyFile = join(member.directory, 'jwt.key');
    writeFileSync(privateKeyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const spec = { kind: 'jwt', signMethod: 'ES256', publicKeyFile: '', privateKeyFile, ttlMs: 60_000 } as const;
    await start(spec);
    const { token } = decodeAuthToken((await login('alice', 'secret')).payload);
    expect(createJwtVerifier(spec).verify(token, Date.now())).toEqual({
      username: 'alice',
      revision: 5,
      exp: expect.any(Number),
    });
    expect(member.proposed).toHaveLength(0);
  });

  it("gives etcd's text when it has only the public key", async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const publicKeyFile = join(member.directory, 'jwt.pub');
    writeFileSync(publicKeyFile, publicKey.export({ type: 'spki', format: 'pem' }));
    await start({ kind: 'jwt', signMethod: 'ES256', publicKeyFile, privateKeyFile: '', ttlMs: 60_000 });
    const reply = await login('alice', 'secret');
    expect(reply).toMatchObject({
      error: UNCATALOGUED_ID,
      errorDetail: 'auth: token signing attempted with verify-only key',
    });
  });

  it('hashes passwords and refuses those that bcrypt would cut off', async () => {
    await start();
    const reply = await call(AuthMethod.AUTH_HASH_PASSWORD, encodePasswordToHash({ password: 'new' }));
    expect(compareSync('new', decodeHashedPassword(reply.payload).hash)).toBe(true);
    const long = await call(AuthMethod.AUTH_HASH_PASSWORD, encodePasswordToHash({ password: 'x'.repeat(73) }));
    expect(long).toMatchObject({ error: UNCATALOGUED_ID, errorDetail: 'bcrypt: password length exceeds 72 bytes' });
  });
});
