import { Errors } from '../../libs/errors';
import { LeaseTimer } from '../../libs/lease-timing';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import { Proposer, RaftStatusLink, ReadIndexer } from '../../libs/member-links';
import {
  formatAddress,
  healthHandlers,
  introspectionHandlers,
  parseAddress,
  type ProcessContext,
  type RunningProcess,
} from '../../libs/process';
import { type BatchCall, BatchClient, batchHandler, type Channel, connect, createServer } from '../../libs/rpc';
import { counter, gauge, type MetricFamily, startTracing, tracedBatch } from '../../libs/telemetry';
import { decodeLeaseTimeToLiveResponse, encodeLeaseTimeToLiveRequest } from '../../proto/gen/etcdserverpb';
import {
  decodeLeaseId,
  encodeLeaseCheckpoints,
  EntryKind,
  LEASE_PATHS,
  LeaseMethod,
  STORAGE_PATHS,
  StorageMethod,
} from '../../proto/gen/hexad';
import { type LeaseConfig, leaseConfig } from './config';
import { Expiry } from './expiry';
import { LeaseKeeper } from './keeper';
import { failpoint } from '../../libs/failpoints';
import { LeaseFeed } from './lease-feed';
import { RelayClient } from './relay-client';
import { RelayServer } from './relay-server';
import { LeaseRequest } from './request';

const beforeServeRenew = failpoint('beforeServeHTTPLeaseRenew');
const beforeServeLookup = failpoint('beforeLookupWhenForwardLeaseTimeToLive');

/** Starts the lease process of a member: times expiry on the leader, answers keep-alives everywhere. */
export async function startLease({ config, logger }: ProcessContext): Promise<RunningProcess> {
  const settings = leaseConfig(config);
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const raft = connect(parseAddress(config.addresses.raft), channelOptions);
  const storage = connect(parseAddress(config.addresses.storage), channelOptions);
  const lessor = new Lessor(settings, raft, storage, (leases, links) => {
    return new Expiry(leases, links, config.timing.electionMs, logger);
  });
  const tracing = startTracing(config);
  const server = createServer({ engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX });
  server.addHandlers({
    stream: {
      [LEASE_PATHS.Calls]: batchHandler(
        tracedBatch(tracing, 'lease.call', (calls, peer) => {
          for (const call of calls) {
            lessor.accept(call.method, call.payload, false, (error, payload) => peer.reply(call.id, error, payload));
          }
        }),
      ),
    },
  });
  server.addHandlers(healthHandlers());
  server.addHandlers(introspectionHandlers('lease', logger, () => lessor.metrics()));
  const address = await server.listen(parseAddress(config.addresses.lease));
  return {
    address: formatAddress(address),
    shutdown: async () => {
      lessor.close();
      raft.close();
      storage.close();
      await Promise.all([server.close(), tracing.shutdown()]);
    },
  };
}

type Respond = (error: number, payload: Uint8Array) => void;
type CreateExpiry = (leases: LeaseTimer, links: ConstructorParameters<typeof Expiry>[1]) => Expiry;

/** Wires the timer, the keeper and the links to the siblings together. */
class Lessor {
  private renewed = 0;
  private readonly leases: LeaseTimer;
  private readonly keeper: LeaseKeeper;
  private readonly expiry: Expiry;
  private readonly closers: { close(): void }[];
  private readonly reads: BatchClient;
  private readonly readIndexes: ReadIndexer;
  private readonly proposer: Proposer;

  constructor(
    private readonly settings: LeaseConfig,
    raft: Channel,
    storage: Channel,
    createExpiry: CreateExpiry,
  ) {
    this.leases = new LeaseTimer(settings.timing);
    this.readIndexes = new ReadIndexer(raft);
    this.proposer = new Proposer(raft, storage);
    this.reads = new BatchClient({
      channel: storage,
      path: STORAGE_PATHS.Read,
      lostError: Errors.TimeoutConnectionLost.id,
      busyError: Errors.TooManyRequests.id,
    });
    this.expiry = createExpiry(this.leases, {
      propose: (options, callback) => this.proposer.propose(options, callback),
      stillExists: (id, callback) => this.stillExists(id, callback),
    });
    const relay = new RelayClient(raft, (request) => this.keeper.relayFailed(request));
    this.keeper = this.createKeeper(relay);
    const feed = this.createFeed(storage);
    const status = new RaftStatusLink(raft, (changed) => this.keeper.setStatus(changed));
    const serve = new RelayServer(raft, ({ method, payload }, respond) => this.accept(method, payload, true, respond));
    const { keeper, expiry, readIndexes, proposer, reads } = this;
    this.closers = [keeper, expiry, feed, status, serve, relay, readIndexes, proposer, reads];
  }

  accept(method: BatchCall['method'], payload: Uint8Array, relayed: boolean, respond: Respond): void {
    const deadline = performance.now() + this.settings.requestTimeoutMs;
    if (method !== LeaseMethod.LEASE_KEEP_ALIVE && method !== LeaseMethod.LEASE_REMAINING) {
      respond(Errors.UnknownMethod.id, new Uint8Array(0));
      return;
    }
    if (method === LeaseMethod.LEASE_KEEP_ALIVE) this.renewed++;
    if (relayed) (method === LeaseMethod.LEASE_KEEP_ALIVE ? beforeServeRenew : beforeServeLookup).reach();
    const { id } = decodeLeaseId(payload);
    this.keeper.submit(new LeaseRequest(method, id, payload, relayed, deadline, respond));
  }

  metrics(): MetricFamily[] {
    return [
      counter('etcd_debugging_lease_renewed_total', 'Keep-alives answered here.', this.renewed),
      counter('etcd_debugging_server_lease_expired_total', 'Leases found expired here.', this.expiry.expired),
      gauge('hexad_lease_timed', 'Leases that are timed.', this.leases.size),
    ];
  }

  close(): void {
    for (const closer of this.closers) closer.close();
  }

  private createKeeper(relay: RelayClient): LeaseKeeper {
    return new LeaseKeeper(
      this.settings.memberId,
      this.leases,
      {
        readIndex: (timeoutMs, callback) => this.readIndexes.ask(timeoutMs, callback),
        relay: (request) => relay.send(request),
        existsAt: (id, index, callback) => this.existsAt(id, index, callback),
        resetCheckpoint: (id, callback) => this.resetCheckpoint(id, callback),
      },
      () => this.expiry.run(),
    );
  }

  private createFeed(storage: Channel): LeaseFeed {
    return new LeaseFeed(storage, {
      onSnapshot: (leases) => {
        this.leases.replaceAll(leases, performance.now());
        this.keeper.setFeed(true);
        this.keeper.recheck();
      },
      onGranted: (lease) => {
        this.leases.granted(lease, performance.now());
        this.keeper.granted(lease);
        this.expiry.wake();
      },
      onRevoked: (id) => {
        this.leases.revoked(id);
        this.keeper.revoked(id);
      },
      onApplied: (_index, term) => this.keeper.setApplied(term),
      onLost: () => this.keeper.setFeed(false),
    });
  }

  private existsAt(id: bigint, requiredIndex: number, callback: (exists: boolean | undefined) => void): void {
    const payload = encodeLeaseTimeToLiveRequest({ ID: id });
    this.reads.call(StorageMethod.STORAGE_LEASE_TIME_TO_LIVE, payload, { requiredIndex }, (reply) => {
      callback(reply.error === 0 ? decodeLeaseTimeToLiveResponse(reply.payload).grantedTTL > 0 : undefined);
    });
  }

  private stillExists(id: bigint, callback: (exists: boolean | undefined) => void): void {
    this.readIndexes.ask(this.settings.requestTimeoutMs, (result) => {
      if (result.ok) this.existsAt(id, result.index, callback);
      else callback(undefined);
    });
  }

  private resetCheckpoint(id: bigint, callback: (logged: boolean) => void): void {
    const proposal = {
      kind: EntryKind.ENTRY_LEASE_CHECKPOINT,
      body: encodeLeaseCheckpoints({ checkpoints: [{ id, remainingTtl: 0 }] }),
      requireTerm: this.leases.term,
      timeoutMs: this.settings.requestTimeoutMs,
    };
    this.proposer.propose(proposal, (outcome) => callback(outcome.kind === 'applied' && outcome.error === undefined));
  }
}
