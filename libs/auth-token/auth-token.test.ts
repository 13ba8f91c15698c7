import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AuthTokenError,
  createJwtSigner,
  createJwtVerifier,
  type JwtSpec,
  parseAuthToken,
  SIGN_METHODS,
  type SignMethod,
} from '.';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hexad-jwt-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

function keyPair(method: SignMethod): { publicKey: KeyObject; privateKey: KeyObject } {
  if (method === 'EdDSA') return generateKeyPairSync('ed25519');
  const curve = CURVES[method];
  if (curve !== undefined) return generateKeyPairSync('ec', { namedCurve: curve });
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}

function spec(method: SignMethod, which: 'both' | 'public' | 'private' = 'both'): JwtSpec {
  const publicKeyFile = join(directory, `${method}.pub`);
  const privateKeyFile = join(directory, `${method}.key`);
  if (method.startsWith('HS')) {
    writeFileSync(privateKeyFile, 'a secret that both sides know, long enough for every hash ......');
    return { kind: 'jwt', signMethod: method, publicKeyFile: '', privateKeyFile, ttlMs: 60_000 };
  }
  const { publicKey, privateKey } = keyPair(method);
  writeFileSync(publicKeyFile, publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(privateKeyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return {
    kind: 'jwt',
    signMethod: method,
    publicKeyFile: which === 'private' ? '' : publicKeyFile,
    privateKeyFile: which === 'public' ? '' : privateKeyFile,
    ttlMs: 60_000,
  };
}

describe('tokens', () => {
  it.each(SIGN_METHODS)('are signed and verified by %s, until their time is over', async (method) => {
    const jwt = spec(method);
    const now = 1_700_000_000_000;
    const token = await createJwtSigner(jwt)?.sign({ username: 'alice', revision: 9 }, now);
    const [header = '', payload = ''] = (token ?? '').split('.');
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({ alg: method, typ: 'JWT' });
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    expect(claims).toEqual({ username: 'alice', revision: 9, exp: 1_700_000_060 });
    expect(createJwtVerifier(jwt).verify(token ?? '', now)).toEqual({
      username: 'alice',
      revision: 9,
      exp: 1_700_000_060,
    });
    expect(createJwtVerifier(jwt).verify(token ?? '', now + 61_000)).toBeUndefined();
    expect(createJwtVerifier(jwt).verify(`${header}.${payload}.AAAA`, now)).toBeUndefined();
  });

  it('of another method are refused, whatever their header says', async () => {
    const token = await createJwtSigner(spec('HS256'))?.sign({ username: 'alice', revision: 1 }, Date.now());
    expect(createJwtVerifier(spec('RS256')).verify(token ?? '', Date.now())).toBeUndefined();
  });

  it('can not be signed with a public key alone, but verified', async () => {
    expect(createJwtSigner(spec('ES256', 'public'))).toBeUndefined();
    const jwt = spec('ES256', 'private');
    const token = await createJwtSigner(jwt)?.sign({ username: 'bob', revision: 2 }, Date.now());
    expect(createJwtVerifier(jwt).verify(token ?? '', Date.now())).toEqual({
      username: 'bob',
      revision: 2,
      exp: expect.any(Number),
    });
  });

  it('are not signed with keys that are no pair or no keys', () => {
    const jwt = spec('ES256');
    const other = spec('EdDSA');
    expect(() => createJwtSigner({ ...jwt, publicKeyFile: other.publicKeyFile })).toThrow('do not match');
    expect(() => createJwtSigner({ ...jwt, privateKeyFile: join(directory, 'none') })).toThrow(AuthTokenError);
    writeFileSync(join(directory, 'text'), 'not a key');
    expect(() => createJwtSigner({ ...jwt, privateKeyFile: join(directory, 'text') })).toThrow('no usable key');
  });
});

describe('the --auth-token option', () => {
  it("is read in etcd's form", () => {
    expect(parseAuthToken('simple')).toEqual({ kind: 'simple' });
    expect(parseAuthToken('jwt,pub-key=/p,priv-key=/k,sign-method=RS256,ttl=10m')).toEqual({
      kind: 'jwt',
      signMethod: 'RS256',
      publicKeyFile: '/p',
      privateKeyFile: '/k',
      ttlMs: 600_000,
    });
    expect(parseAuthToken('jwt,priv-key=/k,sign-method=HS512')).toMatchObject({ ttlMs: 300_000 });
  });

  it.each([
    ['oauth', 'unknown token type'],
    ['jwt,priv-key=/k', 'sign-method'],
    ['jwt,sign-method=none,priv-key=/k', 'sign-method'],
    ['jwt,sign-method=RS256', 'needs pub-key or priv-key'],
    ['jwt,sign-method=RS256,priv-key=/k,ttl=soon', 'bad ttl'],
    ['jwt,sign-method=RS256,priv-key=/k,priv-key=/l', 'given twice'],
    ['jwt,sign-method=RS256,key=/k', 'unknown option'],
  ])('%s is refused: %s', (text, reason) => {
    expect(() => parseAuthToken(text)).toThrow(reason);
  });
});
