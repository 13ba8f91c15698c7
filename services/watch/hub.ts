import { decodeTrace, type Tracing } from '../../libs/telemetry';
import type { Logger } from '../../libs/process';
import type { BatchClient, Channel, StreamCall } from '../../libs/rpc';
import { WatchCore, type WatchCounters, type WatchOutput } from '../../libs/watch-core';
import {
  decodeHubRequestBatch,
  decodeStorageStatus,
  encodeHubReplyBatch,
  type EventBatch,
  type EventTiming,
  type HubRequest,
  StorageMethod,
} from '../../proto/gen/hexad';
import { WATCHER_BYTES_MAX, type WatchConfig } from './config';
import { DeliveryLag } from './delivery-lag';
import { HistoryReader } from './history-reader';
import { ProgressTimers } from './progress-timers';
import { ProxyConnection } from './proxy-connection';
import { RestTimer } from './rest-timer';
import { StatusReports } from './status-reports';

const NO_BYTES = new Uint8Array(0);
const RETRY_MS = 50;

export interface HubLinks {
  /** `Storage.Read`. */
  readonly reads: Pick<BatchClient, 'call'>;
  /** For `Storage.History`: bulk, so a connection of its own. */
  readonly history: Channel;
}

/** The I/O around the WatchCore: proxies' streams, the live feed, history reads and timers. */
export class Hub {
  private readonly core: WatchCore;
  private readonly proxies = new Map<number, ProxyConnection>();
  private readonly history: HistoryReader;
  private readonly timers: ProgressTimers;
  private readonly restTimer: RestTimer;
  private wishChanged: () => void = () => undefined;
  private readonly lag: DeliveryLag;
  private readonly reports: StatusReports;
  private raftTerm = 0;
  /** Of the store that is followed; 0: not known yet. */
  private clusterId = 0n;
  private memberId = 0n;
  private storeRevision = 0;
  private historyReads = 0;
  private lastConnection = 0;
  private dispatching = false;
  /** Stage stamps of the live events that are being delivered. */
  private arriving: EventTiming | undefined;

  constructor(
    private readonly config: WatchConfig,
    private readonly links: HubLinks,
    private readonly logger: Logger,
    private readonly tracing: Tracing,
    wallMicros: () => number = () => 0,
  ) {
    this.lag = new DeliveryLag(wallMicros);
    this.reports = new StatusReports(() => this.report());
    this.core = new WatchCore(config.core);
    this.history = new HistoryReader(links.history, {
      onChunk: (id, revisions, coveredTo, done) => {
        this.core.history(id, revisions, coveredTo, done);
        this.dispatch();
      },
      onCompacted: (id, compactRevision) => {
        this.core.historyCompacted(id, compactRevision);
        this.dispatch();
      },
      onFailed: (id) => {
        this.core.historyFailed(id);
        this.dispatch();
      },
    });
    this.timers = new ProgressTimers(config.progressIntervalMs, (connection, session) => {
      this.core.progressDue(connection, session);
      this.dispatch();
    });
    this.restTimer = new RestTimer(config.restAfterMs, () => {
      this.core.rest();
      this.dispatch();
    });
  }

  /** Whether storage is to send events: not while nobody watches. */
  get wantsEvents(): boolean {
    return this.core.followsEvents;
  }

  onWishChanged(callback: () => void): void {
    this.wishChanged = callback;
  }

  get queuedBytes(): number {
    let bytes = 0;
    for (const proxy of this.proxies.values()) bytes += proxy.waitingBytes;
    return bytes;
  }

  get counters(): WatchCounters {
    return this.core.counters;
  }

  /** Whose events these are; what a hub's answers are headed with. */
  get identity(): { readonly clusterId: bigint; readonly memberId: bigint } {
    const { clusterId, memberId } = this.config;
    return this.memberId === 0n ? { clusterId, memberId } : { clusterId: this.clusterId, memberId: this.memberId };
  }

  /** Whether it is of the cluster that this hub has followed from the start. */
  accepts({ clusterId }: EventBatch): boolean {
    return this.clusterId === 0n || clusterId === 0n || clusterId === this.clusterId;
  }

  /** A message of storage's, by whatever bus. */
  receiveEvents(batch: EventBatch, bytes: number): void {
    if (!this.accepts(batch)) {
      this.logger.error({ clusterId: batch.clusterId.toString(16) }, 'events of another cluster are not taken');
      return;
    }
    if (batch.memberId !== 0n) ({ clusterId: this.clusterId, memberId: this.memberId } = batch);
    if (batch.raftTerm > 0) this.raftTerm = batch.raftTerm;
    const { previousRevision, revisions, currentRevision, compactRevision } = batch;
    this.storeRevision = Math.max(this.storeRevision, currentRevision);
    this.lag.begin(batch.committedAtMicros);
    this.arriving = batch.timing;
    this.core.events({ previousRevision, revisions, currentRevision, compactRevision, bytes });
    this.dispatch();
    this.arriving = undefined;
    this.lag.end();
  }

  /** Handler of `WatchHub.Watch`. */
  readonly serve = (call: StreamCall): void => {
    this.lastConnection += 1;
    const id = this.lastConnection;
    const proxy = new ProxyConnection(
      id,
      call,
      this.config,
      () => ({ ...this.identity, raftTerm: this.raftTerm }),
      (congested) => {
        if (congested) this.core.congested(id);
        else this.core.drained(id);
        this.dispatch();
      },
    );
    this.proxies.set(id, proxy);
    this.reports.receivers(this.proxies.size);
    proxy.report(this.status()); // whose hub it is
    call.onMessage((message) => this.receiveRequests(id, message));
    call.onHalfClose(() => call.end());
    call.onClose(() => this.closed(proxy));
  };

  close(): void {
    this.timers.close();
    this.restTimer.stop();
    this.history.close();
    this.reports.close();
    for (const proxy of this.proxies.values()) proxy.close();
  }

  private receiveRequests(connection: number, message: Uint8Array): void {
    for (const request of decodeHubRequestBatch(message).requests) this.apply(connection, request);
    this.dispatch();
  }

  private apply(connection: number, request: HubRequest): void {
    const { session, create, knownRevision } = request;
    if (create !== undefined) {
      if (request.trace.length > 0) this.tracing.startChild('watch.create', decodeTrace(request.trace))?.end();
      this.core.create(connection, session, create, knownRevision);
      if (create.progressNotify) this.timers.add(connection, session);
    }
    if (request.cancel) this.core.cancel(connection, session, request.watchId);
    if (request.pause) this.core.pause(connection, session);
    if (request.resume) this.core.resume(connection, session);
    if (request.progress) this.core.requestProgress(connection, session, knownRevision);
    if (request.endSession) {
      this.core.endSession(connection, session);
      this.timers.remove(connection, session);
    }
  }

  private closed(proxy: ProxyConnection): void {
    proxy.close();
    this.proxies.delete(proxy.id);
    this.reports.receivers(this.proxies.size);
    this.timers.removeConnection(proxy.id);
    this.core.connectionClosed(proxy.id);
    this.dispatch();
  }

  /** Carries out what the core asks for, in order. */
  private dispatch(): void {
    // What an output causes (a proxy found congested, a stream closed) is carried out after it: order is the promise.
    if (this.dispatching) return;
    this.dispatching = true;
    for (let outputs = this.core.takeOutputs(); outputs.length > 0; outputs = this.core.takeOutputs()) {
      for (const output of outputs) this.perform(output);
    }
    this.dispatching = false;
    this.restTimer.watchers(this.core.watchers);
    this.limitQueues();
  }

  private perform(output: WatchOutput): void {
    switch (output.kind) {
      case 'deliver':
        if (output.delivery.events.length > 0) this.lag.delivered(output.delivery.targets.length);
        this.proxies.get(output.delivery.connection)?.deliver(output.delivery, this.arriving);
        return;
      case 'readStatus':
        this.readStatus();
        return;
      case 'readHistory':
        this.historyReads += 1;
        this.history.open(output.request);
        return;
      case 'moreHistory':
        this.history.more(output.id);
        return;
      case 'cancelHistory':
        this.history.cancel(output.id);
        return;
      case 'follow':
        this.wishChanged();
        return;
      case 'turn':
        setImmediate(() => {
          this.core.turn();
          this.dispatch();
        });
    }
  }

  private readStatus(): void {
    this.links.reads.call(StorageMethod.STORAGE_STATUS, NO_BYTES, {}, (reply) => {
      if (reply.error === 0) {
        const { revision, compactRevision } = decodeStorageStatus(reply.payload);
        this.core.status(revision, compactRevision);
        this.dispatch();
        return;
      }
      setTimeout(() => {
        this.core.statusFailed();
        this.dispatch();
      }, RETRY_MS);
    });
  }

  private report(): void {
    const message = this.status();
    for (const proxy of this.proxies.values()) proxy.report(message);
  }

  /** A HubReplyBatch with what this hub says of itself. */
  private status(): Uint8Array {
    const { watchers, slowWatchers, groups, eventsDelivered, windowBytes, pendingBytes, liveRevision } =
      this.core.counters;
    let queuedBytes = pendingBytes;
    for (const proxy of this.proxies.values()) queuedBytes += proxy.waitingBytes;
    const status = {
      watchers,
      slowWatchers,
      groups,
      eventsDelivered,
      windowBytes,
      queuedBytes,
      revision: Math.max(0, liveRevision),
      lagRevisions: liveRevision < 0 ? 0 : Math.max(0, this.storeRevision - liveRevision),
      historyReads: this.historyReads,
      lagCounts: [...this.lag.counts],
      lagSumMicros: Math.round(this.lag.sumMicros),
      name: this.config.shownName,
    };
    return encodeHubReplyBatch({ ...this.identity, status });
  }

  private limitQueues(): void {
    let total = 0;
    let longest: ProxyConnection | undefined;
    for (const proxy of this.proxies.values()) {
      const waiting = proxy.waitingBytes;
      total += waiting;
      if (longest === undefined || waiting > longest.waitingBytes) longest = proxy;
    }
    // Half of the ceiling is theirs, and a quarter the watchers'; more watchers leave less for what waits.
    const { allQueuesBytesMax: most } = this.config;
    const max = Math.max(most / 8, Math.min(most, 1.5 * most - this.core.watchers * WATCHER_BYTES_MAX));
    if (total <= max || longest === undefined) return;
    this.logger.warn({ waitingBytes: total }, 'disconnecting the proxy that reads slowest: memory ceiling');
    longest.disconnect();
  }
}
