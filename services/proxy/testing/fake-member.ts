import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memberConfig, parseArguments, type ProcessConfig, processConfig } from '../../../libs/config';
import { createServer, type RpcServer, type StreamCall, type StreamHandler } from '../../../libs/rpc';
import {
  AUTH_PATHS,
  type Call,
  decodeCallBatch,
  decodeEntry,
  decodeHubRequestBatch,
  decodeProposeBatch,
  decodeReadIndexBatch,
  decodeResultsRequest,
  encodeFeedBatch,
  encodeHubReplyBatch,
  encodeProposeReplyBatch,
  encodeRaftStatus,
  encodeReadIndexReplyBatch,
  encodeReplyBatch,
  encodeResultBatch,
  type Entry,
  type FeedBatchInput,
  type HubDeliveryInput,
  type HubStatusInput,
  type HubRequest,
  LEASE_PATHS,
  RAFT_PATHS,
  type ReplyInput,
  type ResultInput,
  STORAGE_PATHS,
  WATCH_HUB_PATHS,
} from '../../../proto/gen/hexad';

const SIBLINGS = ['raft', 'storage', 'watch', 'lease', 'auth'] as const;
type Sibling = (typeof SIBLINGS)[number];

export const MEMBER_ID = 0xa1n;
export const CLUSTER_ID = 0xc1n;

/** The five siblings of a proxy, as far as it sees them; what they answer is the test's choice. */
export class FakeMember {
  readonly directory = mkdtempSync(join(tmpdir(), 'px-'));
  leaderId = MEMBER_ID;
  term = 2;
  appliedIndex = 1;
  feedState: FeedBatchInput = {
    members: [{ id: MEMBER_ID, name: 'm1', peerUrls: ['http://p:1'], clientUrls: ['http://c:1'] }],
    clusterVersion: '3.7.0',
  };
  readonly entries: Entry[] = [];
  readonly hubRequests: HubRequest[] = [];
  readonly storageCalls: Call[] = [];
  onEntry: (entry: Entry) => Omit<ResultInput, 'sequence'> | undefined = () => ({ response: Buffer.from('applied') });
  onRead: (call: Call) => Omit<ReplyInput, 'id'> | undefined = () => ({ payload: Buffer.from('read') });
  onLease: (call: Call) => Omit<ReplyInput, 'id'> = () => ({});
  onAuth: (call: Call) => Omit<ReplyInput, 'id'> = () => ({});
  onHub: (request: HubRequest) => void = () => undefined;
  private readonly servers = new Map<Sibling, RpcServer>();
  private readonly streams = new Map<string, StreamCall>();

  async start(...names: readonly Sibling[]): Promise<void> {
    for (const name of names.length === 0 ? SIBLINGS : names) {
      const server = createServer({ engine: 'native' });
      server.addHandlers({ stream: this.handlers(name) });
      await server.listen({ kind: 'unix', path: this.socket(name) });
      this.servers.set(name, server);
    }
  }

  async stop(name: Sibling): Promise<void> {
    await this.servers.get(name)?.close();
    this.servers.delete(name);
  }

  async destroy(): Promise<void> {
    for (const name of SIBLINGS) await this.stop(name);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The configuration of a proxy beside these siblings. */
  config(...flags: readonly string[]): ProcessConfig {
    const config = processConfig(memberConfig(parseArguments(['--data-dir', this.directory, ...flags])), 'proxy');
    const addresses = Object.fromEntries(SIBLINGS.map((name) => [name, `unix:${this.socket(name)}`]));
    return {
      ...config,
      rpcEngine: 'native',
      memberId: MEMBER_ID.toString(16),
      clusterId: CLUSTER_ID.toString(16),
      addresses: { ...config.addresses, ...addresses },
      urls: { ...config.urls, listenClient: [`unix://${this.clientSocket}`], listenClientHttp: [], listenMetrics: [] },
    };
  }

  get clientSocket(): string {
    return join(this.directory, 'client.sock');
  }

  tellStatus(): void {
    this.send(
      RAFT_PATHS.Status,
      encodeRaftStatus({ memberId: MEMBER_ID, clusterId: CLUSTER_ID, term: this.term, leaderId: this.leaderId }),
    );
  }

  feed(batch: FeedBatchInput): void {
    this.send(STORAGE_PATHS.Feed, encodeFeedBatch({ ...batch, appliedIndex: this.appliedIndex }));
  }

  deliver(delivery: HubDeliveryInput): void {
    const deliveries = [{ raftTerm: this.term, ...delivery }];
    this.send(WATCH_HUB_PATHS.Watch, encodeHubReplyBatch({ deliveries, clusterId: CLUSTER_ID, memberId: MEMBER_ID }));
  }

  reportHub(status: HubStatusInput): void {
    this.send(WATCH_HUB_PATHS.Watch, encodeHubReplyBatch({ status, clusterId: CLUSTER_ID, memberId: MEMBER_ID }));
  }

  private socket(name: Sibling): string {
    return join(this.directory, `${name}.sock`);
  }

  private send(path: string, message: Uint8Array): void {
    this.streams.get(path)?.send(message);
  }

  private handlers(name: Sibling): Record<string, StreamHandler> {
    if (name === 'raft') return this.raft();
    if (name === 'storage') return this.storage();
    if (name === 'watch') return { [WATCH_HUB_PATHS.Watch]: this.keep(WATCH_HUB_PATHS.Watch, (m) => this.hub(m)) };
    if (name === 'lease') return { [LEASE_PATHS.Calls]: calls((call) => this.onLease(call)) };
    return { [AUTH_PATHS.Calls]: calls((call) => this.onAuth(call)) };
  }

  private raft(): Record<string, StreamHandler> {
    return {
      [RAFT_PATHS.Status]: this.keep(RAFT_PATHS.Status, () => this.tellStatus()),
      [RAFT_PATHS.Propose]: this.keep(RAFT_PATHS.Propose, (message) => this.propose(message)),
      [RAFT_PATHS.ReadIndex]: this.keep(RAFT_PATHS.ReadIndex, (message) => {
        const { context } = decodeReadIndexBatch(message);
        const index = this.appliedIndex;
        this.send(RAFT_PATHS.ReadIndex, encodeReadIndexReplyBatch({ replies: [{ context, index }] }));
      }),
    };
  }

  private storage(): Record<string, StreamHandler> {
    return {
      [STORAGE_PATHS.Results]: this.keep(STORAGE_PATHS.Results, (message) => void decodeResultsRequest(message)),
      [STORAGE_PATHS.Feed]: this.keep(STORAGE_PATHS.Feed, () =>
        this.feed({ ...this.feedState, snapshot: true, snapshotEnd: true }),
      ),
      [STORAGE_PATHS.Read]: calls((call) => {
        this.storageCalls.push(call);
        return this.onRead(call);
      }),
    };
  }

  private propose(message: Uint8Array): void {
    for (const { entry: bytes, origin, sequence } of decodeProposeBatch(message).proposals) {
      const entry = decodeEntry(bytes);
      this.entries.push(entry);
      if (this.leaderId === 0n) {
        this.send(RAFT_PATHS.Propose, encodeProposeReplyBatch({ replies: [{ origin, sequence, error: 44 }] }));
        continue;
      }
      this.appliedIndex++;
      const result = this.onEntry(entry);
      if (result === undefined) continue;
      const results = [{ sequence, index: this.appliedIndex, ...result }];
      this.send(STORAGE_PATHS.Results, encodeResultBatch({ results, appliedIndex: this.appliedIndex }));
    }
  }

  private hub(message: Uint8Array): void {
    for (const request of decodeHubRequestBatch(message).requests) {
      this.hubRequests.push(request);
      this.onHub(request);
    }
  }

  private keep(path: string, onMessage: (message: Uint8Array) => void): StreamHandler {
    return (call) => {
      this.streams.set(path, call);
      call.sendHeaders();
      call.onMessage(onMessage);
    };
  }
}

/** Undefined: the call is left unanswered. */
function calls(answer: (call: Call) => Omit<ReplyInput, 'id'> | undefined): StreamHandler {
  return (stream) => {
    stream.sendHeaders();
    stream.onMessage((message) => {
      for (const call of decodeCallBatch(message).calls) {
        const reply = answer(call);
        if (reply !== undefined) stream.send(encodeReplyBatch({ replies: [{ id: call.id, ...reply }] }));
      }
    });
  };
}
