/** When an automatic compaction is due, and of what: the rules of etcd's two modes, without a clock. */
export interface CompactionPolicy {
  /** How often `due` is to be asked after the first time, at the start; milliseconds. */
  readonly intervalMs: number;
  /**
   * The revision to compact now, if any. Asked at every interval, on every member, so that whoever becomes leader
   * knows what was current a while ago; `compactRevision` tells whether what was due before has happened.
   */
  due(moment: Moment): number | undefined;
}

export interface Moment {
  /** Milliseconds of a monotonic clock. */
  readonly nowMs: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly isLeader: boolean;
}

const HOUR_MS = 3_600_000;
const SAMPLES_PER_INTERVAL = 10;
const SHORTEST_INTERVAL_MS = 10;
const REVISION_INTERVAL_MS = 300_000;

/**
 * Keeps what was current within the last `retentionMs`: the revision is noted ten times per hour (or per retention, if
 * that is shorter), and once the first retention is over the oldest note is compacted every hour (or retention).
 */
export class PeriodicCompaction implements CompactionPolicy {
  readonly intervalMs: number;
  private readonly everyMs: number;
  private readonly notesMax: number;
  private readonly notes: number[] = [];
  private lastMs: number;
  private waitMs: number;
  private asked: { readonly revision: number; readonly atMs: number } | undefined;

  constructor(retentionMs: number, startMs: number) {
    this.everyMs = Math.min(retentionMs, HOUR_MS);
    this.intervalMs = Math.max(this.everyMs / SAMPLES_PER_INTERVAL, SHORTEST_INTERVAL_MS);
    this.notesMax = Math.floor(retentionMs / this.intervalMs) + 1;
    this.lastMs = startMs;
    this.waitMs = retentionMs;
  }

  due({ nowMs, revision, compactRevision, isLeader }: Moment): number | undefined {
    const [oldest] = this.notes;
    this.notes.push(revision);
    if (this.notes.length > this.notesMax) this.notes.shift();
    this.settle(compactRevision);
    if (!isLeader || oldest === undefined || oldest <= compactRevision) return undefined;
    // Timers may fire a little early by another clock; a tenth of an interval is no matter.
    if (nowMs - this.lastMs < this.waitMs - this.intervalMs / 10) return undefined;
    this.waitMs = this.everyMs;
    this.asked = { revision: oldest, atMs: nowMs };
    return oldest;
  }

  /** What was asked for counts from when it was asked, but only once it has happened: until then it is asked again. */
  private settle(compactRevision: number): void {
    if (this.asked === undefined || compactRevision < this.asked.revision) return;
    this.lastMs = this.asked.atMs;
    this.asked = undefined;
  }
}

/** Keeps the last `retention` revisions, looking every five minutes. */
export class RevisionCompaction implements CompactionPolicy {
  readonly intervalMs = REVISION_INTERVAL_MS;

  constructor(private readonly retention: number) {}

  due({ revision, compactRevision, isLeader }: Moment): number | undefined {
    const target = revision - this.retention;
    return isLeader && target > 0 && target > compactRevision ? target : undefined;
  }
}

/** The policy of a configuration; undefined: retention is 0, so nothing is compacted by itself. */
export function compactionPolicy(
  mode: 'periodic' | 'revision',
  retention: number,
  nowMs: number,
): CompactionPolicy | undefined {
  if (retention === 0) return undefined;
  return mode === 'periodic' ? new PeriodicCompaction(retention, nowMs) : new RevisionCompaction(retention);
}
