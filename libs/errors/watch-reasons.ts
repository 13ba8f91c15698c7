/** Texts of `WatchResponse.cancel_reason`; a refusal by a catalogue error uses `errorText` of that error. */
export const WatchReasons = {
  EmptyRange: 'mvcc: watcher range is empty',
  DuplicateId: 'mvcc: duplicate watch ID provided on the WatchStream',
  Compacted: 'mvcc: required revision has been compacted',
} as const;
