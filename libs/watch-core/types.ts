/** What a client asked for, as the proxy hands it on (ranges in etcd's conventions). */
export interface WatchCreate {
  readonly watchId: number;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** 0: from the store's revision at the time of asking, exclusive. */
  readonly startRevision: number;
  readonly progressNotify: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly prevKv: boolean;
  /** Everything before `startRevision` was delivered by another hub: progress may be reported from there on. */
  readonly resumed: boolean;
}

/** One change of one key. Byte arrays are views that are never written to. */
export interface KeyEvent {
  readonly key: Uint8Array;
  readonly isDelete: boolean;
  /** Encoded mvccpb.KeyValue. */
  readonly kv: Uint8Array;
  /** The key's revision before this event; 0: it did not exist. */
  readonly previousRevision: number;
  /** Encoded mvccpb.KeyValue; empty: not known, or there was none. */
  readonly prevKv: Uint8Array;
}

/** All events of one revision, in the order in which they happened. */
export interface Revision {
  readonly revision: number;
  readonly events: readonly KeyEvent[];
}

/** One message of the live feed. */
export interface LiveBatch {
  /** The last revision before this batch; a hub that has an older one has missed something. */
  readonly previousRevision: number;
  /** Ascending; empty in a heartbeat. */
  readonly revisions: readonly Revision[];
  readonly currentRevision: number;
  readonly compactRevision: number;
  /** About what the batch occupies in memory. */
  readonly bytes: number;
}

export interface Target {
  readonly session: number;
  readonly watchId: number;
}

/** Watch id of an answer that is for all watchers of a session. */
export const WHOLE_SESSION = -1;

/** One answer for any number of watchers of one connection. It never changes. */
export interface Delivery {
  readonly connection: number;
  readonly targets: readonly Target[];
  /** The targets as an encoded hexad.HubTargets, when they are kept that way. */
  readonly encodedTargets?: Uint8Array;
  /** Encoded `events` fields of etcdserverpb.WatchResponse, one whole event each. */
  readonly events: readonly Uint8Array[];
  /** Everything up to this revision that the targets want has been delivered. */
  readonly revision: number;
  readonly created?: true;
  readonly canceled?: true;
  readonly progress?: true;
  readonly compactRevision?: number;
  readonly cancelReason?: string;
}

/** What the host must do; in order. */
export type WatchOutput =
  | { readonly kind: 'deliver'; readonly delivery: Delivery }
  /** Read the store's revision now and answer with `status` or `statusFailed`. At most one is under way. */
  | { readonly kind: 'readStatus' }
  /** Open a history read; answer with `history`, `historyCompacted` or `historyFailed`. */
  | { readonly kind: 'readHistory'; readonly request: HistoryRequest }
  /** The chunk just given has been used up: give the next. */
  | { readonly kind: 'moreHistory'; readonly id: number }
  | { readonly kind: 'cancelHistory'; readonly id: number }
  /** Call `turn` soon, after other work has had its chance. */
  | { readonly kind: 'turn' }
  /** Tell storage whether to send events or only its current revision. Before this is first said: only the revision. */
  | { readonly kind: 'follow'; readonly events: boolean };

export interface HistoryRequest {
  readonly id: number;
  /** Inclusive. */
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
  /** etcd's conventions; both empty: every key. */
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
}

export interface WatchLimits {
  /** Beyond it watchers are refused. */
  readonly watchersMax: number;
  /** Bytes of recent events kept for watchers that start in the near past. */
  readonly windowBytesMax: number;
  /** Live batches kept while a gap before them is being filled. */
  readonly pendingBytesMax: number;
  /** A delivery is closed at the first revision boundary after this many bytes. */
  readonly deliveryBytesSoft: number;
  /** Revisions of one catch-up delivery (etcd: 1,000). */
  readonly sliceRevisionsMax: number;
  /** Events looked at in one `turn`. */
  readonly turnEventsMax: number;
  readonly historyReadsMax: number;
  /** Chunks that one catch-up may read while others wait for their turn. */
  readonly historyChunksPerTurn: number;
}

export const DEFAULT_WATCH_LIMITS: WatchLimits = {
  watchersMax: Number.MAX_SAFE_INTEGER,
  windowBytesMax: 64 * 1024 * 1024,
  pendingBytesMax: 32 * 1024 * 1024,
  deliveryBytesSoft: 256 * 1024,
  sliceRevisionsMax: 1_000,
  turnEventsMax: 4_096,
  historyReadsMax: 4,
  historyChunksPerTurn: 8,
};
