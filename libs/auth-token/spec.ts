import { parseDuration } from '../config';

export const SIGN_METHODS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'HS256',
  'HS384',
  'HS512',
] as const;
export type SignMethod = (typeof SIGN_METHODS)[number];

/** What `--auth-token` asks for. */
export type AuthTokenSpec =
  | { readonly kind: 'simple' }
  | {
      readonly kind: 'jwt';
      readonly signMethod: SignMethod;
      /** Paths of PEM files (HMAC: of the secret); empty: not given. */
      readonly publicKeyFile: string;
      readonly privateKeyFile: string;
      readonly ttlMs: number;
    };

const TTL_MS_DEFAULT = 300_000;
const OPTIONS = ['sign-method', 'pub-key', 'priv-key', 'ttl'];

/** An `--auth-token` value that can't be used; the message is for the user. */
export class AuthTokenError extends Error {}

/**
 * Reads etcd's `--auth-token` value: `simple`, or `jwt,sign-method=M,pub-key=F,priv-key=F,ttl=T` in any order.
 *
 * @throws AuthTokenError
 */
export function parseAuthToken(text: string): AuthTokenSpec {
  const [kind = '', ...rest] = text.split(',');
  const options = parseOptions(rest);
  if (kind === 'simple') return { kind };
  if (kind !== 'jwt') throw new AuthTokenError(`--auth-token: unknown token type "${kind}"`);
  const signMethod = SIGN_METHODS.find((method) => method === options.get('sign-method'));
  if (signMethod === undefined) {
    throw new AuthTokenError(`--auth-token: sign-method must be one of ${SIGN_METHODS.join(', ')}`);
  }
  const publicKeyFile = options.get('pub-key') ?? '';
  const privateKeyFile = options.get('priv-key') ?? '';
  if (publicKeyFile === '' && privateKeyFile === '') {
    throw new AuthTokenError('--auth-token: jwt needs pub-key or priv-key');
  }
  return { kind, signMethod, publicKeyFile, privateKeyFile, ttlMs: parseTtl(options.get('ttl')) };
}

function parseOptions(parts: readonly string[]): Map<string, string> {
  const options = new Map<string, string>();
  for (const part of parts) {
    const at = part.indexOf('=');
    const name = part.slice(0, Math.max(at, 0));
    if (at < 0 || !OPTIONS.includes(name)) throw new AuthTokenError(`--auth-token: unknown option "${part}"`);
    if (options.has(name)) throw new AuthTokenError(`--auth-token: ${name} is given twice`);
    options.set(name, part.slice(at + 1));
  }
  return options;
}

function parseTtl(text: string | undefined): number {
  if (text === undefined) return TTL_MS_DEFAULT;
  const ttlMs = parseDuration(text);
  if (ttlMs === undefined || !(ttlMs >= 0)) throw new AuthTokenError(`--auth-token: bad ttl "${text}"`);
  return ttlMs === 0 ? TTL_MS_DEFAULT : ttlMs;
}
