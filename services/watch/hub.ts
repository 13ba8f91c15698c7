import { decodeTrace, type Tracing } from '../../libs/telemetry';
import type { Logger } from '../../libs/process';
import type { BatchClient, Channel, StreamCall } from '../../libs/rpc';
import { WatchCore, type WatchCounters, type WatchOutput } from '../../libs/watch-core';
import {
  decodeEventBatch,
  decodeHubRequestBatch,
  decodeStorageStatus,
  type HubRequest,
  StorageMethod,
} from '../../proto/gen/hexad';
import type { WatchConfig } from './config';
import { HistoryReader } from './history-reader';
import { ProgressTimers } from './progress-timers';
import { ProxyConnection } from './proxy-connection';
import { RestTimer } from './rest-timer';

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
  private raftTerm = 0;
  /** Storage's revision, as it said last. */
  storageRevision = 0;
  private lastConnection = 0;
  private dispatching = false;

  constructor(
    private readonly config: WatchConfig,
    private readonly links: HubLinks,
    private readonly logger: Logger,
    private readonly tracing: Tracing,
  ) {
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

  /** A message of `Storage.Events`. */
  receiveEvents(message: Uint8Array): void {
    const batch = decodeEventBatch(message);
    if (batch.raftTerm > 0) this.raftTerm = batch.raftTerm;
    this.storageRevision = batch.currentRevision;
    const { previousRevision, revisions, currentRevision, compactRevision } = batch;
    this.core.events({ previousRevision, revisions, currentRevision, compactRevision, bytes: message.length });
    this.dispatch();
  }

  /** Handler of `WatchHub.Watch`. */
  readonly serve = (call: StreamCall): void => {
    this.lastConnection += 1;
    const id = this.lastConnection;
    const proxy = new ProxyConnection(
      id,
      call,
      this.config,
      () => this.raftTerm,
      (congested) => {
        if (congested) this.core.congested(id);
        else this.core.drained(id);
        this.dispatch();
      },
    );
    this.proxies.set(id, proxy);
    call.onMessage((message) => this.receiveRequests(id, message));
    call.onHalfClose(() => call.end());
    call.onClose(() => this.closed(proxy));
  };

  close(): void {
    this.timers.close();
    this.restTimer.stop();
    this.history.close();
    for (const proxy of this.proxies.values()) proxy.close();
  }

  private receiveRequests(connection: number, message: Uint8Array): void {
    for (const request of decodeHubRequestBatch(message).requests) this.apply(connection, request);
    this.dispatch();
  }

  private apply(connection: number, request: HubRequest): void {
    const { session, create } = request;
    if (create !== undefined) {
      if (request.trace.length > 0) this.tracing.startChild('watch.create', decodeTrace(request.trace))?.end();
      this.core.create(connection, session, create);
      if (create.progressNotify) this.timers.add(connection, session);
    }
    if (request.cancel) this.core.cancel(connection, session, request.watchId);
    if (request.pause) this.core.pause(connection, session);
    if (request.resume) this.core.resume(connection, session);
    if (request.progress) this.core.requestProgress(connection, session);
    if (request.endSession) {
      this.core.endSession(connection, session);
      this.timers.remove(connection, session);
    }
  }

  private closed(proxy: ProxyConnection): void {
    proxy.close();
    this.proxies.delete(proxy.id);
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
        this.proxies.get(output.delivery.connection)?.deliver(output.delivery);
        return;
      case 'readStatus':
        this.readStatus();
        return;
      case 'readHistory':
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

  private limitQueues(): void {
    let total = 0;
    let longest: ProxyConnection | undefined;
    for (const proxy of this.proxies.values()) {
      const waiting = proxy.waitingBytes;
      total += waiting;
      if (longest === undefined || waiting > longest.waitingBytes) longest = proxy;
    }
    if (total <= this.config.allQueuesBytesMax || longest === undefined) return;
    this.logger.warn({ waitingBytes: total }, 'disconnecting the proxy that reads slowest: memory ceiling');
    longest.disconnect();
  }
}
