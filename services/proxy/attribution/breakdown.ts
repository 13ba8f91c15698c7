import { PROCESS_OF_STAGE, type StageName, STAGES } from '../../../libs/attribution';

/** What is known beside the stages of a write; microseconds, ids as names of members. */
export interface WriteDetail {
  /** The leader's write and fdatasync alone. */
  readonly fsync: number;
  readonly leader: string;
  /** Whose acknowledgement made the quorum; empty: nobody's was needed. */
  readonly follower: string;
  readonly roundTrip: number;
  readonly followerHeld: number;
  readonly followerFsync: number;
  /** Of a request that was passed on to the leader: the way there and back. */
  readonly forwardNet: number;
  /** How long the leader's event loop stood still. */
  readonly leaderStall: number;
  readonly index: number;
  /** Entries that came to the leader's log together. */
  readonly batch: number;
}

export interface StageTime {
  readonly stage: StageName;
  readonly micros: number;
  /** `raft@m1`: where the time went. */
  readonly process: string;
}

/** Where the time of one request went. */
export interface Breakdown {
  /** Unique among the requests of the cluster. */
  readonly id: string;
  /** Empty: not traced. */
  readonly traceId: string;
  readonly op: string;
  /** When it was answered, ms since the epoch. */
  readonly at: number;
  readonly totalMicros: number;
  readonly unattributedMicros: number;
  readonly stages: readonly StageTime[];
  readonly detail: WriteDetail | undefined;
  readonly error: string;
  readonly remote: string;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Keys in the answer of a range; −1: not one. */
  readonly rangeKeys: number;
  readonly member: string;
  /** The stage that took most, the process, and why, in words. */
  readonly cause: Cause;
  /** Of events on their way to watchers: what a message of the hub's brought. */
  readonly delivered?: { readonly watchers: number; readonly events: number; readonly revision: number };
}

export interface Cause {
  readonly stage: StageName | 'unattributed';
  readonly process: string;
  readonly reason: string;
}

/** Where a stage of a request of `member` is worked on. */
export function placeOf(stage: StageName, member: string, detail: WriteDetail | undefined): string {
  const process = PROCESS_OF_STAGE[stage];
  if (detail === undefined) return `${process}@${member}`;
  if (stage === 'propose' || stage === 'wal') return `${process}@${detail.leader}`;
  if (stage === 'replicate' && detail.follower !== '') return `${process}@${detail.follower}`;
  return `${process}@${member}`;
}

/**
 * `p99OfFsync`: microseconds, of a member's disk; 0: not known. `compactionMicros`: what storage spent on compaction while the
 * request waited for it.
 */
export function causeOf(
  stages: readonly StageTime[],
  unattributedMicros: number,
  member: string,
  detail: WriteDetail | undefined,
  p99OfFsync: (member: string) => number,
  compactionMicros = 0,
): Cause {
  let longest: StageTime | undefined;
  for (const stage of stages) if (longest === undefined || stage.micros > longest.micros) longest = stage;
  if (longest === undefined || unattributedMicros > longest.micros) {
    const reason = `${ms(unattributedMicros)} ms of it were not seen by any stage`;
    return { stage: 'unattributed', process: `proxy@${member}`, reason };
  }
  const { stage, micros } = longest;
  const waited = `waited ${ms(micros)} ms`;
  const disk = (of: string): string => {
    const p99 = p99OfFsync(of);
    return `${waited} for fsync on ${of}${p99 === 0 ? '' : `; its disk's p99 is ${ms(p99)} ms`}`;
  };
  if (detail !== undefined && detail.leaderStall * 2 >= micros && (stage === 'wal' || stage === 'replicate')) {
    const reason = `${waited} for raft on ${detail.leader}, whose event loop stood still for ${ms(detail.leaderStall)} ms`;
    return { ...longest, process: `raft@${detail.leader}`, reason };
  }
  if (stage === 'wal' && detail !== undefined) {
    const reason =
      detail.fsync * 2 >= micros ? disk(detail.leader) : `${waited} for earlier writes of the WAL on ${detail.leader}`;
    return { ...longest, reason };
  }
  if (stage === 'replicate' && detail !== undefined && detail.follower !== '') {
    return replicateCause(longest, detail, disk, waited);
  }
  if (stage === 'propose' && detail !== undefined && detail.forwardNet * 2 >= micros && detail.leader !== member) {
    const reason = `${waited} on the way to the leader ${detail.leader}: the link there and back took ${ms(detail.forwardNet)} ms`;
    return { ...longest, process: `link ${member}-${detail.leader}`, reason };
  }
  if (stage === 'commit' && detail !== undefined && detail.forwardNet * 2 >= micros && detail.leader !== member) {
    const reason = `${waited} to hear of the commit from the leader ${detail.leader}, or for the own disk: the link there and back took ${ms(detail.forwardNet)} ms`;
    return { ...longest, process: `link ${detail.leader}-${member}`, reason };
  }
  if (WAITS_FOR_STORAGE.has(stage) && compactionMicros * 2 >= micros) {
    return { ...longest, reason: compacting(waited, longest.process, compactionMicros) };
  }
  return { ...longest, reason: REASONS[stage](waited, longest.process) };
}

const WAITS_FOR_STORAGE: ReadonlySet<StageName> = new Set(['apply', 'lmdb', 'wait-applied', 'read', 'publish']);

function compacting(waited: string, process: string, micros: number): string {
  return `${waited} for ${process}: it was busy with a compaction for ${ms(micros)} ms of it`;
}

/** `client`: whose stream was full, if that is what the event waited for. */
export function causeOfDelivery(
  stages: readonly StageTime[],
  compactionMicros: number,
  client: string | undefined,
): Cause {
  const longest = stages.reduce((most, one) => (one.micros > most.micros ? one : most));
  if (client === undefined || longest.stage !== 'send') {
    return causeOf(stages, 0, '', undefined, () => 0, compactionMicros);
  }
  const reason = `waited ${ms(longest.micros)} ms for the client at ${client}, which reads slowly: its stream was full`;
  return { ...longest, process: `client ${client}`, reason };
}

function replicateCause(longest: StageTime, detail: WriteDetail, disk: (of: string) => string, waited: string): Cause {
  const { follower, leader, roundTrip, followerHeld, followerFsync } = detail;
  const net = roundTrip - followerHeld;
  if (net > followerHeld) {
    const reason = `${waited} for the link between ${leader} and ${follower}: ${ms(net)} ms of a round trip of ${ms(roundTrip)} ms`;
    return { ...longest, process: `link ${leader}-${follower}`, reason };
  }
  if (followerFsync * 2 >= followerHeld) return { ...longest, reason: disk(follower) };
  return { ...longest, reason: `${waited} for raft on ${follower}, which took ${ms(followerHeld)} ms to acknowledge` };
}

const REASONS: Readonly<Record<StageName, (waited: string, process: string) => string>> = {
  edge: (waited, process) => `${waited} in ${process} before the request was read and checked: its event loop was busy`,
  auth: (waited, process) => `${waited} in ${process} until it was known who calls`,
  queue: (waited, process) =>
    `${waited} in ${process} until the request was sent on: its event loop was busy, or there was no leader or no link`,
  propose: (waited, process) =>
    `${waited} until ${process} had taken the proposal: it was busy, or there was no leader`,
  wal: (waited, process) => `${waited} for the WAL of ${process}`,
  replicate: (waited, process) => `${waited} for a quorum to acknowledge, last ${process}`,
  commit: (waited, process) => `${waited} from the commit until storage had the entry from ${process}`,
  apply: (waited, process) => `${waited} for ${process} to apply the entry and what was before it: it was busy`,
  lmdb: (waited, process) => `${waited} for the store of ${process} to commit what it had been given before`,
  respond: (waited, process) =>
    `${waited} in ${process} from the result until the answer left: its event loop was busy`,
  readindex: (waited, process) => `${waited} for a quorum to confirm the leader (read index of ${process})`,
  'wait-applied': (waited, process) =>
    `${waited} for ${process} to take the read up: it was busy, or behind what is committed`,
  read: (waited, process) => `${waited} for ${process} to read what was asked for`,
  publish: (waited, process) => `${waited} for ${process} to apply the entry and to send its event on: it was busy`,
  match: (waited, process) =>
    `${waited} for ${process} to take the event up and find its watchers: its event loop was busy`,
  send: (waited, process) =>
    `${waited} in ${process} until the event was on its way to the watchers: its event loop was busy`,
  steps: (waited, process) =>
    `${waited} for the steps that ${process} takes for such a request: other processes of the member, or other clients`,
};

function ms(micros: number): string {
  const value = micros / 1000;
  return value >= 10 ? value.toFixed(0) : value.toFixed(value >= 1 ? 1 : 3);
}

/** The `hexad-timing` trailer: `wal;dur=0.112, replicate;dur=0.240`, milliseconds. */
export function timingText(
  values: ArrayLike<number>,
  stages: readonly number[],
  unattributed: number,
  total: number,
): string {
  const parts = stages.map((stage) => `${STAGES[stage] as StageName};dur=${((values[stage] ?? 0) / 1000).toFixed(3)}`);
  parts.push(`unattributed;dur=${(unattributed / 1000).toFixed(3)}`, `total;dur=${(total / 1000).toFixed(3)}`);
  return parts.join(', ');
}
