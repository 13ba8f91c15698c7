import { isIP } from 'node:net';
import { lookupAll } from '../../libs/names';
import type { HostPort } from './config';

export type Lookup = (host: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

export const systemLookup: Lookup = lookupAll;

/** Keeps the list of proxies up to date: all addresses of each name. */
export class Resolver {
  private readonly timer: NodeJS.Timeout;
  private readonly known = new Map<string, readonly HostPort[]>();
  private isResolving = false;

  constructor(
    private readonly endpoints: readonly HostPort[],
    intervalMs: number,
    private readonly onAddresses: (addresses: readonly HostPort[]) => void,
    private readonly onProblem: (host: string, reason: string) => void,
    private readonly find: Lookup = systemLookup,
  ) {
    this.timer = setInterval(() => void this.resolve(), intervalMs);
  }

  close(): void {
    clearInterval(this.timer);
  }

  /** A name that can't be looked up now stays what it was. */
  async resolve(): Promise<void> {
    if (this.isResolving) return;
    this.isResolving = true;
    await Promise.all(this.endpoints.map((endpoint) => this.resolveOne(endpoint)));
    this.isResolving = false;
    this.onAddresses([...this.known.values()].flat());
  }

  private async resolveOne(endpoint: HostPort): Promise<void> {
    const { host, port } = endpoint;
    const key = `${host} ${port}`;
    if (isIP(host) !== 0) {
      this.known.set(key, [endpoint]);
      return;
    }
    try {
      const found = await this.find(host);
      // A host with both is one proxy.
      const four = found.filter(({ family }) => family === 4);
      this.known.set(
        key,
        (four.length > 0 ? four : found).map(({ address }) => ({ host: address, port })),
      );
    } catch (error) {
      this.onProblem(host, error instanceof Error ? error.message : String(error));
    }
  }
}
