import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from './flag-values';
import { type Attachable, PROCESS_NAMES, type ProcessName, type TierConfig } from './process-config';
import type { Values } from './values';

/** In an address of a free-standing process: the name of the member. */
const MEMBER = '{member}';

/**
 * Where each process listens and is dialled. Unix sockets live at a short path whatever the length of the data directory:
 * their paths are limited to 107 bytes.
 */
export function socketAddresses(v: Values, dataDir: string, attach: TierConfig['attach']): Record<ProcessName, string> {
  const addressOf = addressReader(v, dataDir);
  const all = Object.fromEntries(PROCESS_NAMES.map((name) => [name, addressOf(name)])) as Record<ProcessName, string>;
  const first = attach === null || attach === '*' ? undefined : attach[0];
  return first === undefined ? all : { ...all, ...first.addresses };
}

/**
 * How to reach each of these members.
 *
 * @throws ConfigError when two of them would have one address
 */
export function attachables(v: Values, dataDir: string, names: readonly string[]): Attachable[] {
  const addressOf = addressReader(v, dataDir);
  const at = (name: string, process: ProcessName): string => {
    const address = addressOf(process);
    if (names.length > 1 && !address.includes(MEMBER)) {
      throw new ConfigError(`--${process}-address must contain ${MEMBER} for more than one of --attach-members`);
    }
    return address.replaceAll(MEMBER, name);
  };
  return names.map((name) => ({
    name,
    addresses: {
      raft: at(name, 'raft'),
      storage: at(name, 'storage'),
      lease: at(name, 'lease'),
      auth: at(name, 'auth'),
    },
  }));
}

export function checkAddress(flag: string, given: string): void {
  if (!/^(unix:\/|tcp:.+:\d+$)/.test(given)) {
    throw new ConfigError(`--${flag} must be unix:PATH or tcp:HOST:PORT (is "${given}")`);
  }
}

function addressReader(v: Values, dataDir: string): (name: ProcessName) => string {
  const short = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  const runDir = v.text('run-dir');
  const directory =
    runDir === '' ? join(tmpdir(), `hexad-${String(process.getuid?.() ?? 0)}-${short}`) : resolve(runDir);
  return (name) => {
    const given = v.text(`${name}-address`);
    if (given !== '') checkAddress(`${name}-address`, given);
    return given || `unix:${join(directory, `${name}.sock`)}`;
  };
}
