/** What stands in a log line for a secret. */
export const CENSORED = '[redacted]';

/** Names of fields whose value is never shown, in whatever case and with whatever before them: `rootPassword`, `id-token`. */
const SECRET_NAME = /(password|passwd|secret|token|authorization|cookie|credentials?|private[-_]?key)$/i;
/** Names that end so and are no secrets. */
const HARMLESS_NAME = /^(cluster|initial[-_]?cluster)[-_]?token$/i;
/** Deeper than anything that is logged on purpose. */
const DEPTH_MAX = 8;

/** The fields of a log line without secrets, wherever they stand. Nothing is changed in place. */
export function withoutSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  return censor(fields, 0) as Record<string, unknown>;
}

function censor(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date) return value;
  if (depth >= DEPTH_MAX) return '[too deep]';
  if (value instanceof Error) return { type: value.name, message: value.message, stack: value.stack };
  if (Array.isArray(value)) return value.map((one) => censor(one, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, isSecret(name, one) ? CENSORED : censor(one, depth + 1)]),
  );
}

function isSecret(name: string, value: unknown): boolean {
  return value !== '' && value !== undefined && SECRET_NAME.test(name) && !HARMLESS_NAME.test(name);
}

/** `scheme://user:password@host`, a bearer token, and `ETCD_ROOT_PASSWORD=x` in the words of a line. */
const IN_TEXT: readonly (readonly [RegExp, string])[] = [
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@"\\]+@/gi, `$1${CENSORED}@`],
  [/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${CENSORED}`],
  [/((?:password|passwd|secret|token)\w*\s?=\s?)[^\s"\\,;&]+/gi, `$1${CENSORED}`],
];

/** A whole line without the secrets that texts may hold, such as a URL with a password in an error's message. */
export function textWithoutSecrets(line: string): string {
  let text = line;
  for (const [secret, censored] of IN_TEXT) text = text.replace(secret, censored);
  return text;
}
