import { readFileSync } from 'node:fs';
import { ConfigError, type FlagValues, setValue } from './flag-values';
import { FLAGS, type Flag } from './flag-table';

const BY_NAME = new Map(FLAGS.map((flag) => [flag.name, flag]));

/** Keys of the two TLS blocks → flag name, with `peer-` before it in the peer block. */
const TLS_KEYS: Readonly<Record<string, { readonly client: string; readonly peer: string }>> = {
  'cert-file': { client: 'cert-file', peer: 'peer-cert-file' },
  'key-file': { client: 'key-file', peer: 'peer-key-file' },
  'client-cert-file': { client: 'client-cert-file', peer: 'peer-client-cert-file' },
  'client-key-file': { client: 'client-key-file', peer: 'peer-client-key-file' },
  'client-cert-auth': { client: 'client-cert-auth', peer: 'peer-client-cert-auth' },
  'trusted-ca-file': { client: 'trusted-ca-file', peer: 'peer-trusted-ca-file' },
  'auto-tls': { client: 'auto-tls', peer: 'peer-auto-tls' },
  'crl-file': { client: 'client-crl-file', peer: 'peer-crl-file' },
  'allowed-hostname': { client: 'client-cert-allowed-hostname', peer: 'peer-cert-allowed-hostname' },
  'allowed-hostnames': { client: 'client-cert-allowed-hostname', peer: 'peer-cert-allowed-hostname' },
  'allowed-cn': { client: '', peer: 'peer-cert-allowed-cn' },
  'allowed-cns': { client: '', peer: 'peer-cert-allowed-cn' },
  'skip-client-san-verification': { client: '', peer: 'peer-skip-client-san-verification' },
};

/**
 * Reads etcd's YAML or JSON configuration file. With it, all other flags and variables are ignored. Keys are flag names;
 * durations are whole nanoseconds or Go durations; unknown keys are ignored, as etcd does.
 */
export function readConfigFile(path: string): FlagValues {
  const values: FlagValues = { given: new Map(), gates: new Map(), warnings: [], rest: [] };
  for (const [key, value] of Object.entries(parseFile(path))) {
    if (value === null || value === undefined) continue;
    if (key === 'client-transport-security') addTls(values, value, 'client', path);
    else if (key === 'peer-transport-security') addTls(values, value, 'peer', path);
    else addValue(values, key, value, path);
  }
  return values;
}

function parseFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read the configuration file: ${(error as Error).message}`);
  }
  // js-yaml is loaded only by those who use a file: start-up time is part of the budget.
  const yaml = require('js-yaml') as typeof import('js-yaml');
  let document: unknown;
  try {
    document = yaml.load(text);
  } catch (error) {
    throw new ConfigError(
      `cannot parse the configuration file ${path}: ${(error as Error).message.split('\n')[0] ?? ''}`,
    );
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new ConfigError(`the configuration file ${path} does not hold a mapping of flag names to values`);
  }
  return document as Record<string, unknown>;
}

function addTls(values: FlagValues, block: unknown, side: 'client' | 'peer', path: string): void {
  if (typeof block !== 'object' || block === null) return;
  for (const [key, value] of Object.entries(block)) {
    const name = TLS_KEYS[key]?.[side] ?? '';
    if (name !== '' && value !== null) addValue(values, name, value, path);
  }
}

function addValue(values: FlagValues, key: string, value: unknown, path: string): void {
  const flag = BY_NAME.get(key);
  if (flag === undefined) return;
  setValue(values, flag, textOf(flag, value), `${key} in ${path}`);
}

function textOf(flag: Flag, value: unknown): string {
  if (flag.kind === 'duration' && typeof value === 'number') return `${value}ns`;
  if (Array.isArray(value)) return value.map((item) => textOf(flag, item)).join(',');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
