import type { HostPort } from './config';

/** One proxy, by number. */
export interface Backend extends HostPort {
  readonly key: string;
  /** Connections through the gateway. */
  connections: number;
  /** It answered last time. */
  isUp: boolean;
  /** Still among the endpoints; false: its connections may end by themselves. */
  isListed: boolean;
  /** Checks in a row that nobody answered at all. */
  silences: number;
  /** When it may be tried again though it is down, where there are no checks. */
  retryAt: number;
  /** How recently it was chosen, to take turns among equals. */
  turn: number;
}

/** Who gets the next connection. No clock, no sockets. */
export class Backends {
  private readonly byKey = new Map<string, Backend>();
  private turns = 0;

  /** New ones count as up until they have failed. */
  setAddresses(addresses: readonly HostPort[]): void {
    const wanted = new Map(addresses.map((address) => [`${address.host} ${address.port}`, address]));
    for (const backend of this.byKey.values()) if (!wanted.has(backend.key)) this.drop(backend);
    for (const [key, { host, port }] of wanted) {
      const known = this.byKey.get(key);
      if (known !== undefined) continue;
      const fresh = { connections: 0, isUp: true, isListed: true, silences: 0, retryAt: 0, turn: 0 };
      this.byKey.set(key, { key, host, port, ...fresh });
    }
  }

  get all(): readonly Backend[] {
    return [...this.byKey.values()];
  }

  /**
   * The one that is up and has the fewest connections; if none is up, one that is down, since it may have come back; undefined: all
   * in `tried`.
   */
  next(tried: ReadonlySet<Backend>, now: number): Backend | undefined {
    const left = this.all.filter((backend) => !tried.has(backend));
    const up = left.filter((backend) => backend.isUp || backend.retryAt <= now);
    const best = (up.length > 0 ? up : left).reduce<Backend | undefined>(
      (found, backend) => (found === undefined || isBetter(backend, found) ? backend : found),
      undefined,
    );
    if (best !== undefined) best.turn = ++this.turns;
    return best;
  }

  /** Returns whether that is news. */
  markUp(backend: Backend): boolean {
    const isNews = !backend.isUp;
    backend.isUp = true;
    backend.silences = 0;
    return isNews;
  }

  markDown(backend: Backend, retryAt: number): boolean {
    const isNews = backend.isUp;
    backend.isUp = false;
    backend.retryAt = retryAt;
    return isNews;
  }

  private drop(backend: Backend): void {
    backend.isListed = false;
    this.byKey.delete(backend.key);
  }
}

function isBetter(a: Backend, b: Backend): boolean {
  return a.connections !== b.connections ? a.connections < b.connections : a.turn < b.turn;
}
