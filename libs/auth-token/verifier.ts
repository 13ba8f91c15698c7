import { constants, createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { JwtSpec } from './jwt';
import { AuthTokenError } from './spec';

/** Claims of etcd's tokens: who, at which revision of the auth store, until when (seconds since 1970). */
export interface JwtClaims {
  readonly username: string;
  readonly revision: number;
  readonly exp: number;
}

export interface JwtVerifier {
  /** The claims of a token that is whole, rightly signed and not over; undefined for any other. `nowMs` since 1970. */
  verify(token: string, nowMs: number): JwtClaims | undefined;
}

/** Checked tokens remembered; when full, all are forgotten and checked again. */
const CACHE_ENTRIES_MAX = 4_096;

type CheckSignature = (signed: Buffer, signature: Buffer) => boolean;

/**
 * The verifier of a `jwt` specification; the method is fixed by it, never by the token. Throws AuthTokenError when the
 * key's file can't be read or is no key. It checks with `node:crypto` rather than `jose`, which answers later: the edge
 * decides in place, once per token.
 */
export function createJwtVerifier(spec: JwtSpec): JwtVerifier {
  const { signMethod, publicKeyFile, privateKeyFile } = spec;
  const files = signMethod.startsWith('HS') ? [privateKeyFile, publicKeyFile] : [publicKeyFile, privateKeyFile];
  const path = files.find((file) => file !== '') ?? '';
  try {
    return new CachingVerifier(signMethod, signatureCheck(signMethod, readFileSync(path)));
  } catch (error) {
    throw new AuthTokenError(`--auth-token: ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

class CachingVerifier implements JwtVerifier {
  /** Tokens whose signature has been checked: it is checked once per token, not once per request. */
  private readonly seen = new Map<string, JwtClaims>();

  constructor(
    private readonly method: string,
    private readonly check: CheckSignature,
  ) {}

  verify(token: string, nowMs: number): JwtClaims | undefined {
    const claims = this.seen.get(token) ?? this.read(token);
    if (claims === undefined || claims.exp * 1000 <= nowMs) return undefined;
    return claims;
  }

  private read(token: string): JwtClaims | undefined {
    const [head = '', body = '', signature = '', ...rest] = token.split('.');
    if (rest.length > 0 || signature === '') return undefined;
    const header = parseObject(head);
    const claims = parseObject(body);
    if (header?.['alg'] !== this.method || claims === undefined) return undefined;
    if (!this.check(Buffer.from(`${head}.${body}`), Buffer.from(signature, 'base64url'))) return undefined;
    const { username, revision, exp } = claims;
    if (typeof username !== 'string' || typeof revision !== 'number' || typeof exp !== 'number') return undefined;
    return this.remember(token, { username, revision, exp });
  }

  private remember(token: string, claims: JwtClaims): JwtClaims {
    if (this.seen.size >= CACHE_ENTRIES_MAX) this.seen.clear();
    this.seen.set(token, claims);
    return claims;
  }
}

function parseObject(base64: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** RFC 7518, section 3: the algorithms by their JOSE names. */
function signatureCheck(method: string, key: Buffer): CheckSignature {
  const hash = `sha${method.slice(2)}`;
  if (/^HS(256|384|512)$/.test(method)) return hmacCheck(hash, key);
  const publicKey = createPublicKey(key);
  if (/^RS(256|384|512)$/.test(method)) return (signed, signature) => verify(hash, signed, publicKey, signature);
  if (/^PS(256|384|512)$/.test(method)) return pssCheck(hash, publicKey);
  if (/^ES(256|384|512)$/.test(method)) {
    const ecKey = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
    return (signed, signature) => verify(hash, signed, ecKey, signature);
  }
  if (method === 'EdDSA' || method === 'Ed25519') {
    return (signed, signature) => verify(null, signed, publicKey, signature);
  }
  throw new Error(`unknown sign-method ${method}`);
}

function hmacCheck(hash: string, key: Buffer): CheckSignature {
  return (signed, signature) => {
    const expected = createHmac(hash, key).update(signed).digest();
    return expected.length === signature.length && timingSafeEqual(expected, signature);
  };
}

function pssCheck(hash: string, key: KeyObject): CheckSignature {
  const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
  return (signed, signature) => verify(hash, signed, pss, signature);
}
