import { createServer, type RpcServer, type StreamCall } from '../../../libs/rpc';
import {
  type ConfChangeInput,
  decodeDeliverAck,
  decodeProposeBatch,
  type DeliverAck,
  encodeConfChange,
  encodeDeliverBatch,
  encodeEntry,
  encodeRaftStatus,
  type EntryInput,
  type LogEntry,
  LogEntryType,
  RAFT_PATHS,
} from '../../../proto/gen/hexad';
import type { Identity } from '../state/ids';

/** The log of a raft that commits everything at once, and its links to storage. */
export class FakeRaft {
  readonly log: LogEntry[] = [];
  readonly acks: DeliverAck[] = [];
  readonly hellos: DeliverAck[] = [];
  term = 1;
  /** Commits what storage proposes. */
  acceptProposals = true;
  isLeader = true;
  private server: RpcServer | undefined;
  private readonly delivering = new Map<StreamCall, number>();
  private readonly statusCalls = new Set<StreamCall>();

  constructor(
    private readonly path: string,
    readonly identity: Identity,
  ) {}

  async start(): Promise<void> {
    this.server = createServer({});
    this.server.addHandlers({
      stream: {
        [RAFT_PATHS.Deliver]: (call) => this.deliver(call),
        [RAFT_PATHS.Propose]: (call) => this.propose(call),
        [RAFT_PATHS.Status]: (call) => this.status(call),
      },
    });
    await this.server.listen({ kind: 'unix', path: this.path });
  }

  async stop(): Promise<void> {
    await this.server?.close();
    this.server = undefined;
    this.delivering.clear();
    this.statusCalls.clear();
  }

  commit(...entries: EntryInput[]): void {
    this.append(entries.map((entry) => ({ type: LogEntryType.LOG_NORMAL, data: encodeEntry(entry) })));
  }

  commitConf(change: ConfChangeInput): void {
    this.append([{ type: LogEntryType.LOG_CONF, data: encodeConfChange(change) }]);
  }

  /** The empty entry at the start of a new leader's term. */
  startTerm(): void {
    this.term++;
    this.append([{ type: LogEntryType.LOG_NORMAL, data: new Uint8Array(0) }]);
    for (const call of this.statusCalls) this.sendStatus(call);
  }

  private append(entries: readonly Pick<LogEntry, 'type' | 'data'>[]): void {
    for (const entry of entries) this.log.push({ ...entry, term: this.term, index: this.log.length + 1 });
    for (const call of this.delivering.keys()) this.sendEntries(call, false);
  }

  private deliver(call: StreamCall): void {
    call.sendHeaders();
    call.onMessage((message) => {
      const ack = decodeDeliverAck(message);
      this.acks.push(ack);
      if (this.delivering.has(call)) return;
      this.hellos.push(ack);
      this.delivering.set(call, ack.appliedIndex);
      this.sendEntries(call, true);
    });
    call.onClose(() => this.delivering.delete(call));
  }

  private sendEntries(call: StreamCall, isFirst: boolean): void {
    const from = this.delivering.get(call) ?? 0;
    const entries = this.log.slice(from);
    this.delivering.set(call, this.log.length);
    const ids = isFirst ? this.identity : {};
    call.send(encodeDeliverBatch({ entries, commitIndex: this.log.length, leaderTerm: this.term, ...ids }));
  }

  private propose(call: StreamCall): void {
    call.sendHeaders();
    call.onMessage((message) => {
      if (!this.acceptProposals) return;
      const { proposals } = decodeProposeBatch(message);
      this.append(proposals.map(({ entry }) => ({ type: LogEntryType.LOG_NORMAL, data: entry })));
    });
  }

  private status(call: StreamCall): void {
    this.statusCalls.add(call);
    call.onClose(() => this.statusCalls.delete(call));
    call.sendHeaders();
    this.sendStatus(call);
  }

  private sendStatus(call: StreamCall): void {
    const leaderId = this.isLeader ? this.identity.memberId : 1n;
    call.send(encodeRaftStatus({ ...this.identity, term: this.term, leaderId, commitIndex: this.log.length }));
  }
}
