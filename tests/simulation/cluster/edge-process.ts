import { ownMember } from '../../../libs/attachment';
import type { ProcessConfig } from '../../../libs/config';
import { Errors } from '../../../libs/errors';
import { newestEntryFormat, type Release, requestTimeoutMs } from '../../../libs/limits';
import { BatchClient, connect } from '../../../libs/rpc';
import { parseAddress } from '../../../libs/process';
import { LEASE_PATHS } from '../../../proto/gen/hexad';
import { openLinks } from '../../../services/proxy/links';
import { MemberView } from '../../../services/proxy/member-view';
import { ReadPipeline } from '../../../services/proxy/reads';
import { HubClient } from '../../../services/proxy/watch/hub-client';
import { HubLinks } from '../../../services/proxy/watch/hub-links';
import { WritePipeline } from '../../../services/proxy/writes';
import type { SimProcess } from '../world/process';
import type { Defect } from './defects';

const SWEEP_MS = 100;

/** The proxy of a member without its listener: the real pipelines and links. */
export class Edge {
  readonly view: MemberView;
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly hub: HubClient;
  readonly leases: BatchClient;

  constructor(
    readonly process: SimProcess,
    config: ProcessConfig,
    release: Release,
    defect: Defect,
    onNewerEntry: () => void,
  ) {
    const now = (): number => performance.now();
    const afterArrivals = (callback: () => void): void => void setImmediate(callback);
    const timeoutMs = requestTimeoutMs(config.timing.electionMs);
    const { random } = process.machine.world;
    const ids = { clusterId: BigInt(`0x${config.clusterId}`), memberId: BigInt(`0x${config.memberId}`) };
    const events = { onLeader: () => this.reads.leaderKnown(), onTokens: () => undefined, onAuth: () => undefined };
    this.view = new MemberView(ids, events, now, release);
    this.writes = new WritePipeline({
      origin: 1 + random.below(2 ** 31),
      maxRequestBytes: 1 << 20,
      timeoutMs,
      now,
      afterArrivals,
      term: () => this.view.term,
      entryFormat: () => {
        const entryFormat = defect.eagerFormat === true ? newestEntryFormat(release) : this.view.entryFormat;
        if (entryFormat > 0) onNewerEntry();
        return entryFormat;
      },
    });
    this.reads = new ReadPipeline({ timeoutMs, now, afterArrivals, firstContext: random.below(2 ** 31) });
    this.hub = new HubClient({ afterArrivals });
    const silent = { info: () => undefined, warn: () => undefined };
    const attachment = ownMember(config, silent);
    openLinks(config, { view: this.view, writes: this.writes, reads: this.reads, attachment });
    const { rpcEngine: engine, addresses } = config;
    const { clusterId } = ids;
    new HubLinks({ hub: this.hub, engine, own: addresses.watch, hubs: null, clusterId, messenger: undefined });
    this.leases = new BatchClient({
      channel: connect(parseAddress(config.addresses.lease)),
      path: LEASE_PATHS.Calls,
      lostError: Errors.TimeoutConnectionLost.id,
      busyError: Errors.TooManyRequests.id,
    });
    setInterval(() => this.sweep(), SWEEP_MS);
  }

  private sweep(): void {
    const now = performance.now();
    this.writes.sweep(now);
    this.reads.sweep(now);
  }
}
