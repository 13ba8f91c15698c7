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
const RECEIVE_BYTES_MAX = 16 * 1024 * 1024;

/** Asks the other processes of the member about themselves, over connections of their own that are made when first used. */
export class SiblingInspector {
  private readonly channels = new Map<ProcessName, Channel>();
  readonly siblings: readonly ProcessName[] = PROCESS_NAMES.filter((name) => name !== 'proxy');

  constructor(private readonly config: Pick<ProcessConfig, 'addresses' | 'rpcEngine'>) {}

  /** Families by process; undefined: it did not answer. */
  async metrics(): Promise<ReadonlyMap<ProcessName, readonly MetricFamily[] | undefined>> {
    const request = encodeProcessMetricsRequest({});
    const answers = this.siblings.map(async (name) => {
      const response = await this.ask(name, PROCESS_PATHS.Metrics, request);
      if (response === undefined) return [name, undefined] as const;
      const { families } = decodeProcessMetricsResponse(response);
      return [name, JSON.parse(families) as readonly MetricFamily[]] as const;
    });
    return new Map(await Promise.all(answers));
  }

  /** The level in force by process after the change; an empty level only asks. */
  async logLevels(level: string): Promise<Record<string, string>> {
    const request = encodeProcessLogLevel({ level });
    const answers = this.siblings.map(async (name) => {
      const response = await this.ask(name, PROCESS_PATHS.LogLevel, request);
      return [name, response === undefined ? 'no answer' : decodeProcessLogLevel(response).level] as const;
    });
    return Object.fromEntries(await Promise.all(answers));
  }

  close(): void {
    for (const channel of this.channels.values()) channel.close();
  }

  private ask(name: ProcessName, path: string, request: Uint8Array): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      this.channelTo(name).unary(path, request, { timeoutMs: TIMEOUT_MS }, (result) => {
        resolve(result.ok ? result.response : undefined);
      });
    });
  }

  private channelTo(name: ProcessName): Channel {
    let channel = this.channels.get(name);
    if (channel === undefined) {
      const { addresses, rpcEngine } = this.config;
      channel = connect(parseAddress(addresses[name]), { engine: rpcEngine, maxReceiveBytes: RECEIVE_BYTES_MAX });
      this.channels.set(name, channel);
    }
    return channel;
  }
}
