import { PROCESS_NAMES, type ProcessConfig, type ProcessName } from '../../libs/config';
import { parseAddress } from '../../libs/process';
import { type Channel, connect } from '../../libs/rpc';
import type { MetricFamily } from '../../libs/telemetry';
import {
  decodeProcessLogLevel,
  decodeProcessMetricsResponse,
  encodeProcessLogLevel,
  encodeProcessMetricsRequest,
  PROCESS_PATHS,
} from '../../proto/gen/hexad';

/** A sibling that does not answer by then is left out: a scrape must not hang on a process that is stuck. */
const TIMEOUT_MS = 1000;
/** A disk that is slow is to be found out. */
const PROBE_TIMEOUT_MS = 5000;
const RECEIVE_BYTES_MAX = 16 * 1024 * 1024;

export interface InspectedHub {
  readonly hub: string;
  /** Undefined: it did not answer. */
  readonly families: readonly MetricFamily[] | undefined;
}

/**
 * Asks the other processes of the member about themselves, over connections of their own that are made when first used; and the hubs
 * outside of it, which have no address for people. A proxy outside of the members leaves their processes to their own proxies.
 */
export class SiblingInspector {
  private readonly channels = new Map<string, Channel>();
  readonly siblings: readonly ProcessName[];

  constructor(
    private readonly config: Pick<ProcessConfig, 'addresses' | 'rpcEngine' | 'tiers'>,
    /** Addresses of the hubs in use. */
    private readonly hubs: () => readonly string[] = () => [],
  ) {
    this.siblings = config.tiers.attach === null ? PROCESS_NAMES.filter((name) => name !== 'proxy') : [];
  }

  /** Families by process; undefined: it did not answer. `probeDisk`: raft measures its disk meanwhile. */
  async metrics(probeDisk = false): Promise<ReadonlyMap<ProcessName, readonly MetricFamily[] | undefined>> {
    const { addresses } = this.config;
    const answers = this.siblings.map(async (name) => {
      return [name, await this.familiesOf(addresses[name], probeDisk && name === 'raft')] as const;
    });
    return new Map(await Promise.all(answers));
  }

  /** Of the hubs that are no part of this member; their samples say which. */
  async hubMetrics(): Promise<readonly InspectedHub[]> {
    const hubs = this.foreignHubs();
    return Promise.all(hubs.map(async (hub) => ({ hub, families: labelled(await this.familiesOf(hub), hub) })));
  }

  /** The level in force by process after the change; an empty level only asks. */
  async logLevels(level: string): Promise<Record<string, string>> {
    const request = encodeProcessLogLevel({ level });
    const answers = this.siblings.map(async (name) => {
      const response = await this.ask(this.config.addresses[name], PROCESS_PATHS.LogLevel, request);
      return [name, response === undefined ? 'no answer' : decodeProcessLogLevel(response).level] as const;
    });
    return Object.fromEntries(await Promise.all(answers));
  }

  close(): void {
    for (const channel of this.channels.values()) channel.close();
  }

  private foreignHubs(): readonly string[] {
    const { tiers, addresses } = this.config;
    const own = tiers.attach === null ? addresses.watch : '';
    const hubs = this.hubs().filter((hub) => hub !== own);
    const known = new Set([...hubs, ...this.siblings.map((name) => addresses[name])]);
    for (const [address, channel] of this.channels) {
      if (known.has(address)) continue;
      this.channels.delete(address);
      channel.close();
    }
    return hubs;
  }

  private async familiesOf(address: string, probeDisk = false): Promise<readonly MetricFamily[] | undefined> {
    const request = encodeProcessMetricsRequest({ probeDisk });
    const response = await this.ask(address, PROCESS_PATHS.Metrics, request, probeDisk ? PROBE_TIMEOUT_MS : TIMEOUT_MS);
    if (response === undefined) return undefined;
    return JSON.parse(decodeProcessMetricsResponse(response).families) as readonly MetricFamily[];
  }

  private ask(
    address: string,
    path: string,
    request: Uint8Array,
    timeoutMs = TIMEOUT_MS,
  ): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      this.channelTo(address).unary(path, request, { timeoutMs }, (result) => {
        resolve(result.ok ? result.response : undefined);
      });
    });
  }

  private channelTo(address: string): Channel {
    let channel = this.channels.get(address);
    if (channel === undefined) {
      const { rpcEngine } = this.config;
      channel = connect(parseAddress(address), { engine: rpcEngine, maxReceiveBytes: RECEIVE_BYTES_MAX });
      this.channels.set(address, channel);
    }
    return channel;
  }
}

function labelled(families: readonly MetricFamily[] | undefined, hub: string): readonly MetricFamily[] | undefined {
  return families?.map((family) => ({
    ...family,
    samples: family.samples.map((sample) => ({ ...sample, labels: { ...sample.labels, hub } })),
  }));
}
