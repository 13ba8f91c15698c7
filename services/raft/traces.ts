import { decodeTrace, type Span, type Tracing } from '../../libs/telemetry';
import type { Proposal } from '../../proto/gen/hexad';

interface Open {
  readonly index: number;
  readonly span: Span;
}

/** Spans of the sampled proposals that this member appended, from their arrival to their commit. */
export class ProposalTraces {
  private open: Open[] = [];

  constructor(private readonly tracing: Tracing) {}

  /** `proposals` were appended just now; the last of them at `lastIndex`. */
  appended(proposals: readonly Proposal[], lastIndex: number): void {
    if (!this.tracing.enabled) return;
    proposals.forEach(({ trace, entry }, at) => {
      if (trace.length === 0) return;
      const index = lastIndex - proposals.length + 1 + at;
      const attributes = { 'hexad.index': index, 'hexad.bytes': entry.length };
      const span = this.tracing.startChild('raft.propose', decodeTrace(trace), attributes);
      if (span !== undefined) this.open.push({ index, span });
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
