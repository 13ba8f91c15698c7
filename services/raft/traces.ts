import { randomBytes } from 'node:crypto';
import type { LogEntry } from '../../libs/raft';
import { decodeTrace, type Span, type TraceContext, type Tracing } from '../../libs/telemetry';
import { Reader, WireError } from '../../libs/wire';
import type { Proposal } from '../../proto/gen/hexad';

interface Open {
  readonly index: number;
  readonly span: Span;
}

/** Spans of the sampled proposals that this member appended, from their arrival to their commit. */
export class ProposalTraces {
  private open: Open[] = [];

  private received: Open[] = [];
  /** Requests whose entries the next sync makes durable. */
  private unsynced: { readonly index: number; readonly context: TraceContext }[] = [];

  constructor(
    private readonly tracing: Tracing,
    private readonly member: string,
  ) {}

  /** `proposals` were appended just now; the last of them at `lastIndex`. */
  appended(proposals: readonly Proposal[], lastIndex: number): void {
    if (!this.tracing.enabled) return;
    proposals.forEach(({ trace, entry }, at) => {
      if (trace.length === 0) return;
      const index = lastIndex - proposals.length + 1 + at;
      const attributes = { 'hexad.index': index, 'hexad.bytes': entry.length };
      const span = this.tracing.startChild('raft.propose', decodeTrace(trace), attributes);
      if (span === undefined) return;
      this.open.push({ index, span });
      this.unsynced.push({ index, context: span.context });
    });
  }

  /** `proposals` were handed to the leader. */
  forwarded(proposals: readonly Proposal[], leader: bigint): void {
    if (!this.tracing.enabled) return;
    for (const { trace } of proposals) {
      if (trace.length > 0)
        this.tracing.startChild('raft.forward', decodeTrace(trace), { 'hexad.leader': leader.toString(16) })?.end();
    }
  }

  /** The leader has sent these entries; they are in the log of this member once they are synced. */
  replicated(entries: readonly LogEntry[]): void {
    if (!this.tracing.enabled) return;
    for (const { index, data } of entries) {
      const span = this.tracing.startChild('raft.append', traceOf(data), { 'hexad.index': index });
      if (span === undefined) continue;
      this.received.push({ index, span });
      this.unsynced.push({ index, context: span.context });
    }
  }

  /** Everything up to `index` is synced here; the last write and fdatasync took `tookMs`. */
  persisted(index: number, tookMs: number): void {
    if (this.unsynced.length === 0) return;
    for (const item of this.received) if (item.index <= index) item.span.end();
    this.received = this.received.filter((item) => item.index > index);
    const synced = this.unsynced.filter((item) => item.index <= index);
    if (synced.length === 0) return;
    this.unsynced = this.unsynced.filter((item) => item.index > index);
    this.emitBatch(
      synced.map(({ context }) => context),
      tookMs,
    );
  }

  /** A batch is nobody's child: it links to the requests that it served. */
  private emitBatch(links: readonly TraceContext[], tookMs: number): void {
    const endMs = Date.now();
    const ids = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex'), parentSpanId: '' };
    const attributes = { 'hexad.raft.batch.sampled': links.length };
    const owner = { process: 'raft', member: this.member };
    this.tracing.emit([{ name: 'raft.sync', ...ids, startMs: endMs - tookMs, endMs, attributes, links, ...owner }]);
  }

  /** Everything up to `index` is committed. */
  committed(index: number): void {
    if (this.open.length === 0) return;
    for (const item of this.open) if (item.index <= index) item.span.end();
    this.open = this.open.filter((item) => item.index > index);
  }

  /** This member leads no more: what it appended may never be committed. */
  leadershipLost(): void {
    for (const { span } of this.open) span.end('leadership lost before the commit');
    this.open = [];
  }
}

/** The trace context that a hexad.Entry carries (field 7, the last but one); undefined: not sampled, or not an entry. */
function traceOf(data: Uint8Array): TraceContext | undefined {
  try {
    const reader = new Reader(data);
    while (reader.pos < reader.end) {
      const tag = reader.tag();
      if (tag === 0x3a) return decodeTrace(reader.bytes());
      reader.skip(tag);
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
  return undefined;
}
