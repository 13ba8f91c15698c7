import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { AuthTokenError, type AuthTokenSpec } from './spec';

export type JwtSpec = Extract<AuthTokenSpec, { kind: 'jwt' }>;

/** Claims of etcd's tokens beside `exp`. */
export interface TokenClaims {
  readonly username: string;
  /** Revision of the auth store when it was issued. */
  readonly revision: number;
}

export interface JwtSigner {
  /** `nowMs` since 1970. */
  sign(claims: TokenClaims, nowMs: number): Promise<string>;
}

type SigningKey = KeyObject | Uint8Array;

/** jose is published as ES modules only and takes time to load: a member with simple tokens never loads it. */
function jose(): typeof import('jose') {
  return require('jose') as typeof import('jose');
}

/**
 * The signer of a `jwt` specification; undefined when it has no private key, so that tokens can only be verified.
 *
 * @throws AuthTokenError when a file can't be read, is no key, or the two keys are not a pair
 */
export function createJwtSigner(spec: JwtSpec): JwtSigner | undefined {
  const key = signingKey(spec);
  if (key === undefined) return undefined;
  return {
    sign: ({ username, revision }, nowMs) =>
      new (jose().SignJWT)({ username, revision, exp: Math.floor((nowMs + spec.ttlMs) / 1000) })
        .setProtectedHeader({ alg: spec.signMethod, typ: 'JWT' })
        .sign(key),
  };
}

function isHmac(spec: JwtSpec): boolean {
  return spec.signMethod.startsWith('HS');
}

function signingKey(spec: JwtSpec): SigningKey | undefined {
  const { publicKeyFile, privateKeyFile } = spec;
  if (isHmac(spec)) return readKey(privateKeyFile === '' ? publicKeyFile : privateKeyFile);
  if (privateKeyFile === '') {
    publicKey(publicKeyFile); // names a bad file now rather than at the first login
    return undefined;
  }
  const key = asKey(privateKeyFile, () => createPrivateKey(readKey(privateKeyFile)));
  if (publicKeyFile !== '' && !createPublicKey(key).equals(publicKey(publicKeyFile))) {
    throw new AuthTokenError('--auth-token: public and private keys do not match');
  }
  return key;
}

function publicKey(file: string): KeyObject {
  return asKey(file, () => createPublicKey(readKey(file)));
}

function readKey(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new AuthTokenError(`--auth-token: cannot read ${file}: ${(error as Error).message}`);
  }
}

function asKey(file: string, create: () => KeyObject): KeyObject {
  try {
    return create();
  } catch (error) {
    if (error instanceof AuthTokenError) throw error;
    throw new AuthTokenError(`--auth-token: ${file} holds no usable key`);
  }
}
