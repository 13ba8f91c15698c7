/**
 * Every failpoint there is, by the process of a member that reaches it. Names that etcd has too stand where etcd's code has them;
 * the others are ours. `tests/faults/failpoints` kills a member at each one.
 */
export const FAILPOINTS = {
  raft: [
    // etcd's
    'raftBeforeLeaderSend',
    'raftBeforeFollowerSend',
    'raftDropHeartbeat',
    'raftBeforeSave',
    'raftAfterSave',
    'raftBeforeAdvance',
    'raftBeforeSaveSnap',
    'raftBeforeWALSaveSnaphot', // etcd's spelling
    'raftAfterSaveSnap',
    'raftBeforeApplySnap',
    'raftAfterApplySnap',
    'raftAfterWALRelease',
    'walBeforeSync',
    'walAfterSync',
    // the log's beginning
    'walBeforeBootstrap',
    'walAfterBootstrap',
    'raftAfterNoteBegun',
    // segments
    'walBeforePrepareSegment',
    'walBeforeRenameSegment',
    'walAfterPrepareSegment',
    'walBeforeBeginSegment',
    'walBeforeRemoveSegment',
    'walAfterRemoveSegment',
    'walBeforeCutTornWrite',
    'walAfterCutTornWrite',
    'raftBeforeWALRelease',
    // who the members are
    'raftBeforeSaveMembers',
    'raftAfterSaveMembers',
    'raftBeforeApplyConfChange',
    'raftAfterApplyConfChange',
    'raftBeforeForceNewCluster',
    'raftAfterForceNewCluster',
    // copies of the store on their way
    'raftBeforeSendSnap',
    'raftAfterSendSnap',
    'raftBeforeReceiveSnap',
    'raftAfterReceiveSnap',
    // to storage
    'raftBeforeDeliver',
  ],
  storage: [
    // etcd's
    'beforeApplyOneEntryNormal',
    'beforeApplyOneConfChange',
    'beforeStartDBTxn',
    'afterStartDBTxn',
    'commitBeforePreCommitHook',
    'commitAfterPreCommitHook',
    'beforeCommit',
    'afterCommit',
    'compactBeforeCommitScheduledCompact',
    'compactAfterCommitScheduledCompact',
    'compactBeforeCommitBatch',
    'compactAfterCommitBatch',
    'compactBeforeSetFinishedCompact',
    'compactAfterSetFinishedCompact',
    'applyBeforeOpenSnapshot',
    'applyAfterOpenSnapshot',
    'beforePublishing',
    // apply
    'applyBeforeAttempt',
    'applyAfterAttempt',
    'applyAfterOneEntry',
    'applyBeforeAnswers',
    // copies of the store
    'copyOutBeforeFirstChunk',
    'copyOutBeforeEnd',
    'copyInBeforeFirstRow',
    'copyInBeforeFinish',
    'copyInAfterFinish',
    'copyInAfterIdentity',
    'copyInBeforeSwitch',
    'copyInAfterSwitch',
    'copyInBeforeClearMarker',
    'copyInAfterClearMarker',
    'storeBeforeRemoveGeneration',
    'storeAfterRemoveGeneration',
  ],
  watch: ['beforeSyncWatchers', 'beforeProgressIfSync'],
  lease: [
    'beforeCheckpointInLeaseRenew',
    'beforeServeHTTPLeaseRenew',
    'beforeLookupWhenLeaseTimeToLive',
    'beforeLookupWhenForwardLeaseTimeToLive',
  ],
  auth: [],
  proxy: ['beforeSendWatchResponse', 'beforeRangeStreamChunk'],
} as const;

export type FailpointProcess = keyof typeof FAILPOINTS;
export type FailpointName = (typeof FAILPOINTS)[FailpointProcess][number];

/** Which process of a member reaches this point; undefined: there is no such point. */
export function processOfFailpoint(name: string): FailpointProcess | undefined {
  for (const [process, names] of Object.entries(FAILPOINTS) as [FailpointProcess, readonly string[]][])
    if (names.includes(name)) return process;
  return undefined;
}

/** All names, sorted as a listing shows them. */
export function failpointNames(): string[] {
  return Object.values(FAILPOINTS).flat().sort();
}
