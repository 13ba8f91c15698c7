import {
  openMvccStore,
  plainEnvironment,
  type Position,
  type RevisionChanges,
  SimulatedDisk,
  type Store,
} from '../../../libs/mvcc';
import { type Release, RELEASE } from '../../../libs/limits';
import { encodeConfChange, encodeEntry, type EntryInput, type LogEntry, LogEntryType } from '../../../proto/gen/hexad';
import type { ApplyOutcome } from '../apply/applier';
import { type ApplySink, StateMachine } from '../apply/machine';
import { ResponseHeaders } from '../headers';
import type { Identity } from '../state/ids';
import { openState, type ReplicatedState } from '../state/state';

export const IDENTITY: Identity = { clusterId: 0xcdf818194e3a8c32n, memberId: 0x8e9e05c52164694dn };
export const ORIGIN = 77;

export interface RecordedResult {
  readonly sequence: number;
  readonly error: string;
  readonly response: string;
  readonly index: number;
}

/** Records what apply says, in order, as plain values. */
export class RecordingSink implements ApplySink {
  readonly results: RecordedResult[] = [];
  readonly said: unknown[] = [];
  lastOutcome: ApplyOutcome | undefined;

  result(_origin: number, sequence: number, outcome: ApplyOutcome, { index }: Position): void {
    this.lastOutcome = outcome;
    const response = Buffer.from(outcome.response).toString('hex');
    this.results.push({ sequence, error: outcome.error?.message ?? '', response, index });
  }
  revisionMade({ revision, changes }: RevisionChanges): void {
    const events = changes.map(({ version, previous }) => [
      version.isDelete ? 'delete' : 'put',
      Buffer.from(version.key).toString('latin1'),
      previous?.modRevision ?? 0,
    ]);
    this.said.push({ revision, events });
  }
  compactionLogged(): void {
    this.said.push('compaction');
  }
  termStarted(term: number): void {
    this.said.push({ term });
  }
  leaseChanged(lease: unknown): void {
    this.said.push({ lease });
  }
  leaseRevoked(id: bigint): void {
    this.said.push({ revoked: id });
  }
  authChanged(enabled: boolean, revision: number): void {
    this.said.push({ enabled, authRevision: revision });
  }
  tokenAssigned(token: unknown): void {
    this.said.push({ token });
  }
  tokensRevoked(user: string | undefined): void {
    this.said.push({ tokensOf: user });
  }
  memberChanged(member: unknown): void {
    this.said.push({ member });
  }
  memberRemoved(id: bigint): void {
    this.said.push({ removed: id });
  }
  alarmsChanged(alarms: unknown): void {
    this.said.push({ alarms });
  }
  clusterVersionChanged(version: string): void {
    this.said.push({ version });
  }
}

/** A state machine on a simulated disk. */
export class MachineRig {
  store!: Store;
  state!: ReplicatedState;
  sink = new RecordingSink();
  private machine!: StateMachine;
  private sequence = 0;
  term = 2;

  constructor(
    readonly disk = new SimulatedDisk(),
    private readonly identity: Identity = IDENTITY,
    private readonly release: Release = RELEASE,
  ) {
    this.open();
  }

  /** Opens what the disk has. */
  open(): void {
    const onFatal = (error: unknown): never => {
      throw error;
    };
    const latest = { rows: 100, bytes: 1 << 20, commitsPerRound: 4, rowsPerCommitMin: 10, cacheBytes: 1000 };
    const options = { flushBytes: 1 << 20, flushVersions: 1 << 20, overlayBytesMax: 1 << 24, latest, onFatal };
    this.store = openMvccStore(this.disk.open(), plainEnvironment, options);
    this.state = openState(this.store);
    this.machine = new StateMachine(this.state, new ResponseHeaders(this.identity), this.sink, this.release);
  }

  applyLogEntry(entry: LogEntry): void {
    this.machine.apply(entry);
  }

  /** Applies one request as the next entry and gives its outcome. */
  apply(kind: number, body: Uint8Array, more: EntryInput = {}): ApplyOutcome {
    const data = encodeEntry({ origin: ORIGIN, sequence: ++this.sequence, kind, body, ...more });
    return this.applyData(data, LogEntryType.LOG_NORMAL);
  }

  applyConf(change: Parameters<typeof encodeConfChange>[0]): ApplyOutcome {
    const data = encodeConfChange({ origin: ORIGIN, sequence: ++this.sequence, ...change });
    return this.applyData(data, LogEntryType.LOG_CONF);
  }

  private applyData(data: Uint8Array, type: number): ApplyOutcome {
    this.sink.lastOutcome = undefined;
    this.machine.apply({ term: this.term, index: this.store.applied.index + 1, type, data });
    const outcome = this.sink.lastOutcome as ApplyOutcome | undefined;
    if (outcome === undefined) throw new Error('the entry gave no result');
    return outcome;
  }
}

export const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
