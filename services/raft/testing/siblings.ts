import { parseAddress } from '../../../libs/process';
import { type Channel, connect, createLink, type Link } from '../../../libs/rpc';
import type { ProcessConfig } from '../../../libs/config';
import {
  decodeDeliverBatch,
  decodeProposeReplyBatch,
  decodeRaftStatus,
  decodeReadIndexReplyBatch,
  encodeDeliverAck,
  encodeProposeBatch,
  encodeRaftStatusRequest,
  encodeReadIndexBatch,
  type LogEntry,
  RAFT_PATHS,
  type RaftStatus,
  type ReadIndexReply,
} from '../../../proto/gen/hexad';

/** Plays storage and proxy for one raft process. What it has "applied" outlives the raft process. */
export class Siblings {
  readonly applied: LogEntry[] = [];
  commitAtAttach: number[] = [];
  status: RaftStatus | undefined;
  readonly refused = new Map<number, number>();
  readonly reads = new Map<number, ReadIndexReply>();
  readonly channel: Channel;
  private readonly links: Link[] = [];
  private readonly propose: Link;
  private readonly readIndex: Link;
  private sequence = 0;
  private context = 0;
  private attachedAnew = false;
  private readonly waiters = new Set<() => void>();

  constructor(
    config: ProcessConfig,
    readonly origin: number,
  ) {
    const address = parseAddress(config.addresses.raft);
    this.channel = connect(address);
    const ids = { clusterId: BigInt(`0x${config.clusterId}`), memberId: BigInt(`0x${config.memberId}`) };
    this.links.push(
      createLink({
        channel: this.channel,
        path: RAFT_PATHS.Deliver,
        firstMessage: () => {
          this.attachedAnew = true;
          return encodeDeliverAck({ ...this.position(), ...(this.applied.length > 0 ? ids : {}) });
        },
        onMessage: (bytes) => this.delivered(bytes),
      }),
    );
    const status = createLink({
      channel: this.channel,
      path: RAFT_PATHS.Status,
      firstMessage: () => encodeRaftStatusRequest({}),
      onMessage: (bytes) => {
        this.status = decodeRaftStatus(bytes);
        this.wake();
      },
      onClose: () => {
        this.status = undefined;
      },
    });
    this.propose = createLink({
      channel: this.channel,
      path: RAFT_PATHS.Propose,
      onOpen: () => this.wake(),
      onMessage: (bytes) => {
        for (const { sequence, error } of decodeProposeReplyBatch(bytes).replies) this.refused.set(sequence, error);
        this.wake();
      },
    });
    this.readIndex = createLink({
      channel: this.channel,
      path: RAFT_PATHS.ReadIndex,
      onMessage: (bytes) => {
        for (const reply of decodeReadIndexReplyBatch(bytes).replies) this.reads.set(reply.context, reply);
        this.wake();
      },
    });
    this.links.push(status, this.propose, this.readIndex);
  }

  get appliedIndex(): number {
    return this.applied.at(-1)?.index ?? 0;
  }

  get isUp(): boolean {
    return this.status !== undefined && this.propose.isOpen && this.readIndex.isOpen;
  }

  /** Proposes and returns the sequences. */
  put(values: readonly string[], changes: { readonly requireTerm?: number } = {}): number[] {
    const proposals = values.map((value) => {
      this.sequence += 1;
      return { origin: this.origin, sequence: this.sequence, entry: Buffer.from(value), ...changes };
    });
    this.propose.send(encodeProposeBatch({ proposals }));
    return proposals.map(({ sequence }) => sequence);
  }

  async read(): Promise<ReadIndexReply> {
    this.context += 1;
    const { context } = this;
    this.readIndex.send(encodeReadIndexBatch({ context }));
    await this.until(`read ${context}`, () => this.reads.has(context));
    return this.reads.get(context) as ReadIndexReply;
  }

  values(): string[] {
    return this.applied
      .filter(({ type, data }) => type === 0 && data.length > 0)
      .map(({ data }) => Buffer.from(data).toString());
  }

  async until(what: string, condition: () => boolean, timeoutMs = 30_000): Promise<void> {
    const giveUpAt = performance.now() + timeoutMs;
    while (!condition()) {
      if (performance.now() > giveUpAt) throw new Error(`waited in vain for ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.waiters.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  close(): void {
    for (const link of this.links) link.close();
    this.channel.close();
  }

  private position(): { appliedIndex: number; durableIndex: number; appliedTerm: number } {
    return {
      appliedIndex: this.appliedIndex,
      durableIndex: this.appliedIndex,
      appliedTerm: this.applied.at(-1)?.term ?? 0,
    };
  }

  private delivered(bytes: Uint8Array): void {
    const batch = decodeDeliverBatch(bytes);
    if (this.attachedAnew) this.commitAtAttach.push(batch.commitIndex);
    this.attachedAnew = false;
    for (const entry of batch.entries) {
      if (entry.index !== this.appliedIndex + 1) throw new Error(`entry ${entry.index} after ${this.appliedIndex}`);
      this.applied.push(entry);
    }
    if (batch.entries.length > 0) this.links[0]?.send(encodeDeliverAck(this.position()));
    this.wake();
  }

  private wake(): void {
    for (const waiter of this.waiters) waiter();
    this.waiters.clear();
  }
}
