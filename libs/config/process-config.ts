/**
 * The configuration that the supervisor hands each process as one JSON document. All processes of a member get the same
 * document but for `process`; each reads the sections it needs. 64-bit ids travel as lower-case hex.
 */
export const PROCESS_NAMES = ['raft', 'storage', 'watch', 'lease', 'auth', 'proxy'] as const;
export type ProcessName = (typeof PROCESS_NAMES)[number];

export interface InitialMember {
  readonly id: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** Paths of PEM files; the process that uses them reads them. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly trustedCaFile: string;
  readonly clientCertAuth: boolean;
  readonly skipVerify: boolean;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly cipherSuites: string;
}

/** What the processes of a member prove themselves to each other with over TCP. Paths of PEM files. */
export interface InternalTlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly trustedCaFile: string;
}

export interface TelemetryConfig {
  readonly enabled: boolean;
  /** OTLP endpoint as given by the flag; empty: the SDK's own OTEL_* variables decide. */
  readonly endpoint: string;
  readonly serviceName: string;
  readonly instanceId: string;
  /** Sampled requests per million. */
  readonly samplingPerMillion: number;
  /** Whether every request notes where its time goes. */
  readonly stageStamps: boolean;
  /** Requests slower than this are logged with their stages; 0: none. */
  readonly slowRequestMs: number;
}

/** Where log lines go and what they look like. */
export interface LogConfig {
  /** etcd's name of a level. */
  readonly level: string;
  readonly format: 'json' | 'console';
  /** `default`, `stderr`, `stdout`, `systemd/journal` or paths of files. */
  readonly outputs: readonly string[];
  /** Null: files grow for ever. */
  readonly rotation: LogRotation | null;
}

/** When the one log file is begun anew, and what becomes of those before it. */
export interface LogRotation {
  readonly bytesMax: number;
  /** Older ones are removed; 0: none are. */
  readonly daysMax: number;
  /** 0: any number is kept. */
  readonly backupsMax: number;
  /** Whether the time in their names is local, else UTC. */
  readonly localTime: boolean;
  readonly compress: boolean;
}

/** The NATS servers that carry events, and how to log in to them. */
export interface EventBusConfig {
  /** `nats://[user:password@]host:port`, `tls://…`. */
  readonly servers: readonly string[];
  readonly credentialsFile: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A member that a free-standing hub or proxy can attach to: how to reach its processes. */
export interface Attachable {
  readonly name: string;
  readonly addresses: Readonly<Record<'raft' | 'storage' | 'lease' | 'auth', string>>;
}

/** How the tiers outside the members are put together. */
export interface TierConfig {
  /** Null: this process is part of a member. Else whom it may attach to; '*': whoever is heard of over the event bus. */
  readonly attach: readonly Attachable[] | '*' | null;
  /** A proxy's hubs. Null: its member's own; '*': those heard of over the event bus. A name may have many addresses. */
  readonly watchHubs: readonly string[] | '*' | null;
  /** What a hub says over the event bus that its address is; empty: where it listens. */
  readonly watchAdvertise: string;
}

export interface ProcessConfig {
  readonly process: ProcessName;
  readonly name: string;
  readonly memberId: string;
  readonly clusterId: string;
  readonly clusterToken: string;
  readonly clusterState: 'new' | 'existing';
  /** Sorted by id. Used only when the WAL is new. */
  readonly initialMembers: readonly InitialMember[];
  /** Listener of each sibling: `unix:/path` or `tcp:host:port`. */
  readonly addresses: Readonly<Record<ProcessName, string>>;
  readonly rpcEngine: 'native' | 'grpc-js';
  /** Null: storage sends events over its own streams only. */
  readonly eventBus: EventBusConfig | null;
  readonly tiers: TierConfig;
  /** A watch ends when its user may not read its range any more (etcd looks at the start only). */
  readonly watchRecheckPermissions: boolean;
  readonly paths: {
    readonly dataDir: string;
    /** `<data-dir>/member` */
    readonly memberDir: string;
    readonly walDir: string;
    readonly storeDir: string;
  };
  readonly urls: {
    readonly listenClient: readonly string[];
    readonly listenClientHttp: readonly string[];
    readonly advertiseClient: readonly string[];
    readonly listenPeer: readonly string[];
    readonly advertisePeer: readonly string[];
    readonly listenMetrics: readonly string[];
  };
  /** Null: addresses of siblings over TCP are in plain text. */
  readonly internalTls: InternalTlsFiles | null;
  readonly tls: { readonly client: TlsFiles | null; readonly peer: TlsFiles | null };
  readonly timing: {
    readonly heartbeatMs: number;
    readonly electionMs: number;
    readonly initialElectionTickAdvance: boolean;
    readonly watchProgressNotifyMs: number;
    readonly warningUnaryRequestMs: number;
    readonly warningApplyMs: number;
    readonly authTokenTtlSeconds: number;
    readonly autoCompactionMode: 'periodic' | 'revision';
    /** Milliseconds in periodic mode, revisions in revision mode; 0: off. */
    readonly autoCompactionRetention: number;
    readonly compactionSleepMs: number;
  };
  readonly limits: {
    readonly maxRequestBytes: number;
    readonly maxTxnOps: number;
    readonly maxConcurrentStreams: number;
    readonly maxLearners: number;
    /** Bytes; negative: no quota. */
    readonly quotaBackendBytes: number;
    /** The NOSPACE alarm clears itself when there is room again. */
    readonly autoDisarm: boolean;
    readonly snapshotCount: number;
    readonly snapshotCatchupEntries: number;
    readonly compactionBatchLimit: number;
    readonly watchMemoryMaxBytes: number;
    readonly walSegmentBytes: number;
  };
  readonly keepalive: { readonly minTimeMs: number; readonly intervalMs: number; readonly timeoutMs: number };
  readonly raft: {
    readonly preVote: boolean;
    readonly strictReconfigCheck: boolean;
    readonly forceNewCluster: boolean;
  };
  readonly auth: { readonly token: string; readonly bcryptCost: number };
  readonly http: {
    readonly enableGateway: boolean;
    readonly cors: string;
    readonly hostWhitelist: string;
    readonly metrics: 'basic' | 'extensive';
    readonly enablePprof: boolean;
  };
  readonly checks: {
    /** The rolling hash of the state is kept and compared between members. */
    readonly divergence: boolean;
    /** The store is compared with the others' before it is served. */
    readonly initialCorrupt: boolean;
    /** Milliseconds between comparisons of all keys; 0: none. */
    readonly corruptMs: number;
    readonly scrubBytesPerSecond: number;
  };
  readonly leaseCheckpoint: boolean;
  readonly unsafeNoFsync: boolean;
  readonly telemetry: TelemetryConfig;
  readonly log: LogConfig;
  /** What is set at the process's failpoints, by name; undefined, as in production: none can be. */
  readonly failpoints?: Readonly<Record<string, string>>;
}
