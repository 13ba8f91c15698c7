import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';

/** A small file of the system, read again when it has changed. Missing: empty. Never through the thread pool. */
export class WatchedFile<Parsed> {
  private stamp = '';
  private parsed: Parsed;

  constructor(
    private readonly path: string,
    private readonly parse: (text: string) => Parsed,
  ) {
    this.parsed = parse('');
  }

  get value(): Parsed {
    const stamp = stampOf(this.path);
    if (stamp !== this.stamp) {
      this.stamp = stamp;
      this.parsed = this.parse(textOf(this.path));
    }
    return this.parsed;
  }
}

function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? 'none' : `${found.ino} ${found.size} ${found.mtimeMs}`;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** hosts(5): addresses by name, in lower case. */
export function parseHosts(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      const before = found.get(key) ?? [];
      if (!before.includes(address)) found.set(key, [...before, address]);
    }
  }
  return found;
}

export interface ResolvConf {
  readonly search: readonly string[];
  readonly ndots: number;
}

/** resolv.conf(5), what turns a short name into full ones; name servers are c-ares' own business. */
export function parseResolvConf(text: string): ResolvConf {
  let search: readonly string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [word = '', ...rest] = line.trim().split(/\s+/);
    if (word === 'search' || word === 'domain') search = rest.filter((domain) => domain !== '.');
    if (word !== 'options') continue;
    for (const option of rest) ndots = Number(/^ndots:(\d+)$/.exec(option)?.[1] ?? ndots);
  }
  return { search, ndots };
}

/** The names to be asked for, in turn. */
export function candidates(host: string, { search, ndots }: ResolvConf): string[] {
  if (host.endsWith('.')) return [host];
  const full = search.map((domain) => `${host}.${domain}`);
  const dots = host.split('.').length - 1;
  return dots >= ndots ? [host, ...full] : [...full, host];
}
