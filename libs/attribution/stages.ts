/**
 * The stages of a request: consecutive intervals that add up to its total. A write passes through WRITE_STAGES, a read
 * through READ_STAGES, an event on its way to a watcher through WATCH_STAGES, and a request that is answered in another way, by the
 * lease or auth process, in several steps or when another client lets go of a lock, through STEP_STAGES.
 */
export const WRITE_STAGES = [
  'edge',
  'auth',
  'queue',
  'propose',
  'wal',
  'replicate',
  'commit',
  'apply',
  'lmdb',
  'respond',
] as const;
export const READ_STAGES = ['edge', 'auth', 'queue', 'readindex', 'wait-applied', 'read', 'respond'] as const;
export const WATCH_STAGES = ['commit', 'publish', 'match', 'send'] as const;
export const STEP_STAGES = ['edge', 'auth', 'steps'] as const;

/** Every stage once; a stage's number is its place here. */
export const STAGES = [
  ...WRITE_STAGES,
  'readindex',
  'wait-applied',
  'read',
  'publish',
  'match',
  'send',
  'steps',
] as const;

export type StageName = (typeof STAGES)[number];

/** Numbers of the stages, as breakdowns index them. */
export const Stage = {
  Edge: 0,
  Auth: 1,
  Queue: 2,
  Propose: 3,
  Wal: 4,
  Replicate: 5,
  Commit: 6,
  Apply: 7,
  Lmdb: 8,
  Respond: 9,
  ReadIndex: 10,
  WaitApplied: 11,
  Read: 12,
  Publish: 13,
  Match: 14,
  Send: 15,
  Steps: 16,
} as const;

export const STAGE_COUNT = STAGES.length;

/** The process that does the work of each stage. */
export const PROCESS_OF_STAGE: Readonly<Record<StageName, string>> = {
  edge: 'proxy',
  auth: 'proxy',
  queue: 'proxy',
  propose: 'raft',
  wal: 'raft',
  replicate: 'raft',
  commit: 'raft',
  apply: 'storage',
  lmdb: 'storage',
  respond: 'proxy',
  readindex: 'raft',
  'wait-applied': 'storage',
  read: 'storage',
  publish: 'storage',
  match: 'watch',
  send: 'proxy',
  steps: 'proxy',
};
