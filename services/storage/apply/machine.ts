import { Errors } from '../../../libs/errors';
import { failpoint } from '../../../libs/failpoints';
import type { Position, RevisionChanges } from '../../../libs/mvcc';
import type { Release } from '../../../libs/limits';
import type { Tracing } from '../../../libs/telemetry';
import { WireError } from '../../../libs/wire';
import { decodeConfChange, decodeEntry, EntryKind, type LogEntry, LogEntryType } from '../../../proto/gen/hexad';
import type { ResponseHeaders } from '../headers';
import type { ReplicatedState } from '../state/state';
import { AlarmGuard } from './alarm-guard';
import { refused, type Applier, type ApplyOutcome } from './applier';
import { Authoriser } from './authoriser';
import { StorageCounts } from '../counts';
import { type Command, decodeCommand } from './command';
import { Executor } from './executor';
import type { FeedChanges } from './feed-changes';
import { ConfigurationExecutor } from './members';
import { refuseNewerCluster, refuseNewerFormat } from './newer-release';
import { TracedApplier } from './traced';

const beforeNormal = failpoint('beforeApplyOneEntryNormal');
const beforeConfChange = failpoint('beforeApplyOneConfChange');
const afterOneEntry = failpoint('applyAfterOneEntry');
const beforeCompact = failpoint('compactBeforeCommitScheduledCompact');
const afterCompact = failpoint('compactAfterCommitScheduledCompact');

const NO_TRACE = new Uint8Array(0);

/** What applying entries tells the rest of the process, in apply order. */
export interface ApplySink extends FeedChanges {
  /** `kind` is the entry's EntryKind; undefined: a change of the configuration. */
  result(origin: number, sequence: number, outcome: ApplyOutcome, position: Position, kind?: number): void;
  /** `trace`: of the request, as its entry has it. */
  revisionMade(made: RevisionChanges, trace: Uint8Array): void;
  compactionLogged(): void;
  /** The first entry of a term has been applied. */
  termStarted(term: number): void;
}

/**
 * Applies the log. Total: bytes that make no sense give a result that says so, the same on every member, and the index
 * goes on. Anything else that throws is a broken invariant and ends the process.
 */
export class StateMachine {
  private readonly chain: Applier;
  private readonly configuration: ConfigurationExecutor;

  constructor(
    private readonly state: ReplicatedState,
    headers: ResponseHeaders,
    private readonly sink: ApplySink,
    private readonly release: Release,
    tracing?: Tracing,
    private readonly counts: StorageCounts = new StorageCounts(),
  ) {
    const chain = new Authoriser(state, new AlarmGuard(state, new Executor(state, headers, sink)));
    this.chain = tracing?.enabled ? new TracedApplier(tracing, chain) : chain;
    this.configuration = new ConfigurationExecutor(state, headers, sink);
  }

  /** The entry must be the one after the applied index. */
  apply(entry: LogEntry): void {
    const { store } = this.state;
    const before = store.applied;
    if (entry.index !== before.index + 1) {
      throw new Error(`entry ${entry.index} does not follow the applied index ${before.index}`);
    }
    const compacted = store.compactRevision;
    if (entry.type === LogEntryType.LOG_CONF) {
      beforeConfChange.reach();
      this.applyConfiguration(entry);
    } else {
      beforeNormal.reach();
      if (entry.data.length > 0) this.applyNormal(entry);
    }
    const hasCompacted = store.compactRevision !== compacted;
    if (hasCompacted) beforeCompact.reach();
    store.setApplied(entry.index, entry.term);
    if (hasCompacted) {
      afterCompact.reach();
      this.sink.compactionLogged();
    }
    afterOneEntry.reach();
    if (entry.term > before.term) this.sink.termStarted(entry.term);
  }

  private applyNormal(logEntry: LogEntry): void {
    const entry = readable(() => decodeEntry(logEntry.data));
    if (entry === undefined) return;
    if (entry.format > 0) refuseNewerFormat(entry.format, logEntry.index, this.release);
    const command = readable(() => decodeCommand(entry));
    const outcome = command === undefined ? refused(Errors.MalformedRequest) : this.chain.apply(command, logEntry);
    if (command !== undefined && outcome.error === undefined) this.count(command);
    if (entry.kind === EntryKind.ENTRY_CLUSTER_VERSION) refuseNewerCluster(this.state.clusterVersion, this.release);
    this.report(entry.origin, entry.sequence, outcome, logEntry, entry.trace, entry.kind);
  }

  private count(command: Command): void {
    const { counts } = this;
    const { kind, entry } = command;
    if (kind === EntryKind.ENTRY_PUT) {
      counts.puts++;
      counts.putBytes += entry.body.length;
    } else if (kind === EntryKind.ENTRY_TXN) counts.txns++;
    else if (kind === EntryKind.ENTRY_DELETE_RANGE) counts.deletes++;
    else if (command.kind === EntryKind.ENTRY_LEASE_GRANT) {
      counts.leasesGranted++;
      counts.leaseTtl.observe(Number(command.request.TTL));
    } else if (kind === EntryKind.ENTRY_LEASE_REVOKE) counts.leasesRevoked++;
  }

  private applyConfiguration(logEntry: LogEntry): void {
    const change = readable(() => decodeConfChange(logEntry.data));
    if (change === undefined) return;
    this.report(change.origin, change.sequence, this.configuration.apply(change, logEntry), logEntry, NO_TRACE);
  }

  private report(
    origin: number,
    sequence: number,
    outcome: ApplyOutcome,
    position: Position,
    trace: Uint8Array,
    kind?: number,
  ): void {
    if (outcome.made !== undefined) this.sink.revisionMade(outcome.made, trace);
    this.sink.result(origin, sequence, outcome, position, kind);
  }
}

/** `undefined` when the bytes are not what they should be. */
function readable<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
