import { type LookupAddress, promises as dns } from 'node:dns';
import { candidates, parseHosts, parseResolvConf, WatchedFile } from './hosts-file';

/** The part of c-ares that is used. */
export interface NameServers {
  resolve4(name: string): Promise<string[]>;
  resolve6(name: string): Promise<string[]>;
}

export interface NameLookupOptions {
  readonly hostsFile: string;
  readonly resolvConf: string;
  /** Made anew when `resolvConf` has changed. */
  readonly servers: () => NameServers;
  /** getaddrinfo(3): everything that the system knows, each call on a thread of the pool until it ends. */
  readonly system: (host: string) => Promise<readonly LookupAddress[]>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** How long a name server may be silent, and how often it is asked. */
const SERVER_TIMEOUT_MS = 1_000;
const SERVER_TRIES = 2;
/** An IPv6 address is waited for no longer than this once there is an IPv4 one. */
const SECOND_FAMILY_MS = 50;
/** A name that the system did not find is not asked of it again before so many times as long as that took, within bounds. */
const REST_FACTOR = 10;
const REST_MS_MIN = 1_000;
const REST_MS_MAX = 60_000;
const RESTING_MAX = 1_024;
/** No server answered: the system's own look-up would wait for the same ones. */
const SILENT = new Set(['ETIMEOUT', 'ECANCELLED']);

/**
 * Names to addresses, as getaddrinfo(3) does by `hosts: files dns`, without its threads. Node's own look-up holds a thread of libuv's pool
 * until the name servers have answered or been given up, 10 s and more, and files are written and synced by the same few threads: a
 * few names of hosts that are gone would hold up every write of the log. Here /etc/hosts and the name servers are asked without threads;
 * what they don't know is asked of the system, by one thread at a time.
 */
export class NameLookup {
  private readonly hosts: WatchedFile<Map<string, string[]>>;
  private readonly conf: WatchedFile<{ readonly search: readonly string[]; readonly ndots: number }>;
  private servers: NameServers | undefined;
  private readonly underWay = new Map<string, Promise<readonly LookupAddress[]>>();
  /** When the system may be asked again for a name that it did not find. */
  private readonly restingUntil = new Map<string, number>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: NameLookupOptions) {
    this.hosts = new WatchedFile(options.hostsFile, parseHosts);
    this.conf = new WatchedFile(options.resolvConf, (text) => {
      this.servers = undefined;
      return parseResolvConf(text);
    });
  }

  /**
   * All addresses, IPv4 first; at least one.
   *
   * @throws Error with `code` ENOTFOUND, or EAI_AGAIN when no name server answers
   */
  find(host: string): Promise<readonly LookupAddress[]> {
    const known = this.local(host);
    if (known.length > 0) return Promise.resolve(known);
    let found = this.underWay.get(host);
    if (found === undefined) {
      found = this.ask(host).finally(() => this.underWay.delete(host));
      this.underWay.set(host, found);
    }
    return found;
  }

  private local(host: string): LookupAddress[] {
    const name = host.toLowerCase();
    const listed = this.hosts.value.get(name) ?? (name === 'localhost' ? ['127.0.0.1', '::1'] : []);
    const all = listed.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    return [...all.filter(({ family }) => family === 4), ...all.filter(({ family }) => family === 6)];
  }

  private async ask(host: string): Promise<readonly LookupAddress[]> {
    const conf = this.conf.value;
    this.servers ??= this.options.servers();
    for (const name of candidates(host, conf)) {
      const found = await ofServers(this.servers, name);
      if (found === 'silent') throw failure('EAI_AGAIN', host);
      if (found.length > 0) return found;
    }
    return this.askSystem(host);
  }

  private async askSystem(host: string): Promise<readonly LookupAddress[]> {
    const { now, system } = this.options;
    if ((this.restingUntil.get(host) ?? 0) > now()) throw failure('ENOTFOUND', host);
    const before = this.turn;
    let begunAt = 0;
    const asked = before.then(() => {
      begunAt = now();
      return system(host);
    });
    this.turn = asked.catch(() => undefined);
    try {
      const found = await asked;
      if (found.length === 0) throw failure('ENOTFOUND', host);
      return found;
    } catch (error) {
      const rest = Math.min(REST_MS_MAX, Math.max(REST_MS_MIN, REST_FACTOR * (now() - begunAt)));
      if (this.restingUntil.size >= RESTING_MAX) this.restingUntil.clear();
      this.restingUntil.set(host, now() + rest);
      throw error;
    }
  }
}

/** What the name servers say of one name; empty: nothing. */
async function ofServers(servers: NameServers, name: string): Promise<LookupAddress[] | 'silent'> {
  const six = settled(servers.resolve6(name), 6);
  const four = await settled(servers.resolve4(name), 4);
  const late = four.length > 0 && four !== 'silent' ? later(SECOND_FAMILY_MS) : undefined;
  const second = await (late === undefined ? six : Promise.race([six, late.promise]));
  late?.cancel();
  if (four === 'silent') return second === 'silent' || second.length === 0 ? 'silent' : second;
  return second === 'silent' ? four : [...four, ...second];
}

function settled(asked: Promise<string[]>, family: 4 | 6): Promise<LookupAddress[] | 'silent'> {
  return asked.then(
    (addresses) => addresses.map((address) => ({ address, family })),
    (error: NodeJS.ErrnoException) => (SILENT.has(error.code ?? '') ? 'silent' : []),
  );
}

function later(ms: number): { readonly promise: Promise<LookupAddress[]>; cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<LookupAddress[]>((resolve) => {
    timer = setTimeout(() => resolve([]), ms);
  });
  return { promise, cancel: () => clearTimeout(timer) };
}

/** As Node's own look-up fails. */
function failure(code: 'ENOTFOUND' | 'EAI_AGAIN', hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), { code, syscall: 'getaddrinfo', hostname });
}

/** That of this machine. */
export function systemNames(): NameLookup {
  return new NameLookup({
    hostsFile: '/etc/hosts',
    resolvConf: '/etc/resolv.conf',
    servers: () => new dns.Resolver({ timeout: SERVER_TIMEOUT_MS, tries: SERVER_TRIES }),
    system: (host) => dns.lookup(host, { all: true }),
    now: () => performance.now(),
  });
}
