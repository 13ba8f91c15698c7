import { constants, createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Limits } from '../limits';

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

type CheckSignature = (signed: Buffer, signature: Buffer) => boolean;

/**
 * Reads etcd's `--auth-token` value (`jwt,pub-key=F,priv-key=F,sign-method=M,ttl=T`). The method is fixed by the option,
 * never by the token. Throws when a file can't be read or is no key.
 */
export function createJwtVerifier(option: string): JwtVerifier {
  const settings = new Map(
    option
      .split(',')
      .slice(1)
      .map((part) => {
        const at = part.indexOf('=');
        return [part.slice(0, at), part.slice(at + 1)] as const;
      }),
  );
  const method = settings.get('sign-method') ?? '';
  const path = settings.get('pub-key') ?? settings.get('priv-key');
  if (path === undefined) throw new Error('--auth-token=jwt needs pub-key or priv-key');
  return new CachingVerifier(method, signatureCheck(method, readFileSync(path)));
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
    if (this.seen.size >= Limits.jwtCacheEntriesMax) this.seen.clear();
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
  throw new Error(`--auth-token=jwt: unknown sign-method ${method}`);
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
