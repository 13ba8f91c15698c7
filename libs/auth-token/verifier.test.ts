import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createJwtVerifier, type JwtSpec, type JwtVerifier, parseAuthToken } from '.';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'jwt-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const CLAIMS = { username: 'ann', revision: 3, exp: 1_000 };

function verifierOf(option: string): JwtVerifier {
  return createJwtVerifier(parseAuthToken(option) as JwtSpec);
}

function file(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function token(alg: string, signer: (signed: Buffer) => Buffer, claims: object = CLAIMS): string {
  const signed = `${base64({ alg, typ: 'JWT' })}.${base64(claims)}`;
  return `${signed}.${signer(Buffer.from(signed)).toString('base64url')}`;
}

test.each([
  ['RS256', 'rsa'],
  ['PS384', 'rsa'],
  ['ES256', 'ec'],
  ['EdDSA', 'ed25519'],
] as const)('a token signed with %s is read, a changed one is not', (method, type) => {
  const pair =
    type === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : type === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519');
  const path = file(`${method}.pem`, pair.publicKey.export({ type: 'spki', format: 'pem' }));
  const verifier = verifierOf(`jwt,pub-key=${path},sign-method=${method},ttl=5m`);
  const hash = method === 'EdDSA' ? null : `sha${method.slice(2)}`;
  const key =
    method === 'ES256'
      ? ({ key: pair.privateKey, dsaEncoding: 'ieee-p1363' } as const)
      : method === 'PS384'
        ? { key: pair.privateKey, padding: 6, saltLength: 48 }
        : pair.privateKey;
  const good = token(method, (signed) => sign(hash, signed, key));
  expect(verifier.verify(good, 999_999)).toEqual(CLAIMS);
  expect(verifier.verify(good, 1_000_000)).toBeUndefined();
  const [head, , signature] = good.split('.');
  expect(verifier.verify(`${head}.${base64({ ...CLAIMS, username: 'root' })}.${signature}`, 0)).toBeUndefined();
});

test('the method is the one configured, whatever the token says', () => {
  const secret = Buffer.from('secret');
  const path = file('hmac', secret);
  const verifier = verifierOf(`jwt,priv-key=${path},sign-method=HS256`);
  const hmac = (signed: Buffer): Buffer => createHmac('sha256', secret).update(signed).digest();
  expect(verifier.verify(token('HS256', hmac), 0)).toEqual(CLAIMS);
  expect(
    verifier.verify(
      token('none', () => Buffer.from('x')),
      0,
    ),
  ).toBeUndefined();
  expect(verifier.verify(token('HS512', hmac), 0)).toBeUndefined();
});

test('bytes that are no token, or lack a claim, are no token', () => {
  const secret = Buffer.from('secret');
  const verifier = verifierOf(`jwt,priv-key=${file('hmac2', secret)},sign-method=HS256`);
  const hmac = (signed: Buffer): Buffer => createHmac('sha256', secret).update(signed).digest();
  for (const bad of ['', 'a', 'a.b', 'a.b.c', '..', token('HS256', hmac, { username: 'ann', revision: 3 })]) {
    expect(verifier.verify(bad, 0)).toBeUndefined();
  }
});
