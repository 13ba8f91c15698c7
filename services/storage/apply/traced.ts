import type { Position } from '../../../libs/mvcc';
import { decodeTrace, type Tracing } from '../../../libs/telemetry';
import type { Applier, ApplyOutcome } from './applier';
import type { Command } from './command';

/** Part of the chain only when tracing is on: a span for each entry whose request was sampled. */
export class TracedApplier implements Applier {
  constructor(
    private readonly tracing: Tracing,
    private readonly next: Applier,
  ) {}

  apply(command: Command, position: Position): ApplyOutcome {
    if (command.entry.trace.length === 0) return this.next.apply(command, position);
    const attributes = { 'hexad.index': position.index, 'hexad.kind': command.kind };
    const span = this.tracing.startChild('storage.apply', decodeTrace(command.entry.trace), attributes);
    const outcome = this.next.apply(command, position);
    span?.end(outcome.error?.message);
    return outcome;
  }
}
