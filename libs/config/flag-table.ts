/**
 * Every flag of etcd 3.7 (and the older spellings that 3.5 and 3.6 accept), and Hexad's own. A flag has an environment
 * variable: `ETCD_<NAME>`, or `HEXAD_<NAME>` for Hexad's own.
 */
import { PROCESS_NAMES } from './process-config';

export type FlagKind = 'string' | 'bool' | 'int' | 'duration' | 'strings';

/**
 * used: acts. harmless: accepted with a warning when it differs from the default, since ignoring it loses nothing.
 * refused: restricts access or changes data safety and is not built yet, so a value other than the default is an error.
 */
export type FlagStatus = 'used' | 'harmless' | 'refused';

export interface Flag {
  readonly name: string;
  readonly kind: FlagKind;
  readonly initial: string;
  readonly status: FlagStatus;
  readonly group: string;
  readonly help: string;
  readonly own?: true;
}

type Row = readonly [name: string, kind: FlagKind, initial: string, status: FlagStatus, help: string];

const MEMBER: readonly Row[] = [
  ['name', 'string', 'default', 'used', 'Human-readable name for this member.'],
  ['data-dir', 'string', '', 'used', 'Path to the data directory (default: ${name}.etcd).'],
  ['wal-dir', 'string', '', 'used', 'Path to a directory for the write-ahead log (default: <data-dir>/member/wal).'],
  ['snapshot-count', 'int', '10000', 'harmless', 'Number of committed entries between snapshots.'],
  ['heartbeat-interval', 'int', '100', 'used', 'Time (in milliseconds) of a heartbeat interval.'],
  ['election-timeout', 'int', '1000', 'used', 'Time (in milliseconds) for an election to time out.'],
  ['initial-election-tick-advance', 'bool', 'true', 'used', 'Fast-forward the first election tick at start.'],
  ['listen-peer-urls', 'strings', 'http://localhost:2380', 'used', 'URLs to listen on for peer traffic.'],
  ['listen-client-urls', 'strings', 'http://localhost:2379', 'used', 'URLs to listen on for client traffic.'],
  [
    'listen-client-http-urls',
    'strings',
    '',
    'used',
    'URLs for HTTP client traffic only; the others then serve gRPC only.',
  ],
  ['max-wals', 'int', '5', 'harmless', 'Number of old WAL files to keep.'],
  ['max-snapshots', 'int', '5', 'harmless', 'Number of old snapshot files to keep.'],
  ['memory-mlock', 'bool', 'false', 'harmless', 'Lock the store in memory.'],
  [
    'quota-backend-bytes',
    'int',
    '0',
    'used',
    'Raise the NOSPACE alarm when the store exceeds this size (0: 2 GiB, negative: no quota).',
  ],
  ['backend-bbolt-freelist-type', 'string', 'map', 'harmless', 'No effect: the store is LMDB.'],
  ['backend-batch-interval', 'duration', '0s', 'harmless', 'Longest time before a store commit.'],
  ['backend-batch-limit', 'int', '0', 'harmless', 'Most operations before a store commit.'],
  ['max-txn-ops', 'int', '128', 'used', 'Most operations in a transaction.'],
  ['max-request-bytes', 'int', '1572864', 'used', 'Largest client request in bytes.'],
  ['max-concurrent-streams', 'int', '4294967295', 'used', 'Most concurrent streams of one client connection.'],
  ['grpc-keepalive-min-time', 'duration', '5s', 'used', 'Shortest interval between client pings that is tolerated.'],
  [
    'grpc-keepalive-interval',
    'duration',
    '2h',
    'used',
    'Interval of server pings on idle connections (0: 2h, as gRPC).',
  ],
  ['grpc-keepalive-timeout', 'duration', '20s', 'used', 'Time to wait for the answer to a server ping.'],
  ['socket-reuse-port', 'bool', 'false', 'harmless', 'Set SO_REUSEPORT on listeners.'],
  ['socket-reuse-address', 'bool', 'false', 'harmless', 'Set SO_REUSEADDR on listeners (always set).'],
  ['enable-grpc-gateway', 'bool', 'true', 'used', 'Serve the JSON gateway.'],
  ['raft-read-timeout', 'duration', '5s', 'harmless', 'Read timeout of peer connections.'],
  ['raft-write-timeout', 'duration', '5s', 'harmless', 'Write timeout of peer connections.'],
  ['feature-gates', 'string', '', 'used', 'Comma list of Gate=true|false.'],
];

const CLUSTERING: readonly Row[] = [
  ['initial-advertise-peer-urls', 'strings', 'http://localhost:2380', 'used', 'Peer URLs to advertise to the cluster.'],
  ['initial-cluster', 'string', '', 'used', 'Initial members, name=url,… (default: this member alone).'],
  ['initial-cluster-state', 'string', 'new', 'used', "'new' or 'existing'."],
  ['initial-cluster-token', 'string', 'etcd-cluster', 'used', 'Token that keeps clusters apart.'],
  ['advertise-client-urls', 'strings', 'http://localhost:2379', 'used', 'Client URLs to advertise.'],
  ['discovery', 'string', '', 'refused', 'Discovery service of etcd 2.'],
  ['discovery-proxy', 'string', '', 'refused', 'HTTP proxy for discovery.'],
  ['discovery-fallback', 'string', 'exit', 'refused', 'What to do when discovery fails.'],
  ['discovery-srv', 'string', '', 'refused', 'DNS domain to find the cluster in.'],
  ['discovery-srv-name', 'string', '', 'refused', 'Suffix of the SRV name.'],
  ['discovery-token', 'string', '', 'refused', 'Token of etcd 3 discovery.'],
  ['discovery-endpoints', 'strings', '', 'refused', 'Endpoints of the discovery cluster.'],
  ['discovery-dial-timeout', 'duration', '2s', 'harmless', 'Discovery dial timeout.'],
  ['discovery-request-timeout', 'duration', '5s', 'harmless', 'Discovery request timeout.'],
  ['discovery-keepalive-time', 'duration', '2s', 'harmless', 'Discovery keep-alive time.'],
  ['discovery-keepalive-timeout', 'duration', '6s', 'harmless', 'Discovery keep-alive timeout.'],
  ['discovery-insecure-transport', 'bool', 'true', 'harmless', 'Plain text to the discovery cluster.'],
  ['discovery-insecure-skip-tls-verify', 'bool', 'false', 'harmless', 'Skip verification of the discovery cluster.'],
  ['discovery-cert', 'string', '', 'harmless', 'Discovery client certificate.'],
  ['discovery-key', 'string', '', 'harmless', 'Discovery client key.'],
  ['discovery-cacert', 'string', '', 'harmless', 'Discovery CA.'],
  ['discovery-user', 'string', '', 'harmless', 'Discovery user.'],
  ['discovery-password', 'string', '', 'harmless', 'Discovery password.'],
  ['strict-reconfig-check', 'bool', 'true', 'used', 'Refuse reconfigurations that would lose the quorum.'],
  ['pre-vote', 'bool', 'true', 'used', 'Run a pre-vote round before elections.'],
  ['auto-compaction-retention', 'string', '0', 'used', 'Auto-compaction retention (0: off).'],
  ['auto-compaction-mode', 'string', 'periodic', 'used', "'periodic' or 'revision'."],
  ['v2-deprecation', 'string', 'not-yet', 'harmless', 'Phase of the v2 store deprecation.'],
];

const SECURITY: readonly Row[] = [
  ['cert-file', 'string', '', 'used', 'Server certificate of the client listener.'],
  ['key-file', 'string', '', 'used', 'Key of the client listener.'],
  ['client-cert-auth', 'bool', 'false', 'used', 'Require client certificates signed by --trusted-ca-file.'],
  ['client-cert-file', 'string', '', 'used', 'Certificate for connections of this member to itself.'],
  ['client-key-file', 'string', '', 'used', 'Key for connections of this member to itself.'],
  ['client-crl-file', 'string', '', 'refused', 'Certificate revocation list of clients.'],
  ['client-cert-allowed-hostname', 'strings', '', 'refused', 'Host names allowed in client certificates.'],
  ['trusted-ca-file', 'string', '', 'used', 'CA of client certificates.'],
  ['auto-tls', 'bool', 'false', 'used', 'Client TLS with generated certificates.'],
  ['peer-cert-file', 'string', '', 'used', 'Certificate of the peer listener.'],
  ['peer-key-file', 'string', '', 'used', 'Key of the peer listener.'],
  ['peer-client-cert-auth', 'bool', 'false', 'used', 'Require peer certificates signed by --peer-trusted-ca-file.'],
  ['peer-client-cert-file', 'string', '', 'used', 'Certificate for outgoing peer connections.'],
  ['peer-client-key-file', 'string', '', 'used', 'Key for outgoing peer connections.'],
  ['peer-trusted-ca-file', 'string', '', 'used', 'CA of peer certificates.'],
  ['peer-cert-allowed-cn', 'strings', '', 'refused', 'Common names allowed in peer certificates.'],
  ['peer-cert-allowed-hostname', 'strings', '', 'refused', 'Host names allowed in peer certificates.'],
  ['peer-auto-tls', 'bool', 'false', 'used', 'Peer TLS with generated certificates.'],
  ['peer-crl-file', 'string', '', 'refused', 'Certificate revocation list of peers.'],
  [
    'peer-skip-client-san-verification',
    'bool',
    'false',
    'harmless',
    'Skip the check of the SAN field of peer certificates.',
  ],
  ['self-signed-cert-validity', 'int', '1', 'used', 'Years that generated certificates are valid.'],
  ['cipher-suites', 'strings', '', 'used', 'TLS cipher suites, by their Go names.'],
  ['cors', 'strings', '*', 'used', 'Allowed origins of the JSON gateway.'],
  ['host-whitelist', 'strings', '*', 'used', 'Host names accepted in plain HTTP requests.'],
  ['tls-min-version', 'string', 'TLS1.2', 'used', 'TLS1.2 or TLS1.3.'],
  ['tls-max-version', 'string', '', 'harmless', 'Highest TLS version.'],
];

const AUTH: readonly Row[] = [
  ['auth-token', 'string', 'simple', 'used', "'simple' or 'jwt,pub-key=…,priv-key=…,sign-method=…,ttl=…'."],
  ['bcrypt-cost', 'int', '10', 'used', 'bcrypt cost, 4 to 31.'],
  ['auth-token-ttl', 'int', '300', 'used', 'Seconds that a simple token lives unused.'],
];

const MONITORING: readonly Row[] = [
  ['enable-pprof', 'bool', 'false', 'harmless', 'Profiling over HTTP.'],
  ['metrics', 'string', 'basic', 'harmless', "'basic' or 'extensive'."],
  [
    'listen-metrics-urls',
    'strings',
    '',
    'used',
    'URLs that serve only /metrics and health; of a process that runs alone, its own.',
  ],
  ['logger', 'string', 'zap', 'harmless', 'Logger; there is one.'],
  ['log-outputs', 'strings', 'default', 'used', 'default, stderr, stdout, systemd/journal or paths of files.'],
  ['log-level', 'string', 'info', 'used', 'debug, info, warn, error, panic or fatal.'],
  ['log-format', 'string', 'json', 'used', 'json or console.'],
  ['enable-log-rotation', 'bool', 'false', 'used', 'Rotate the one log file of --log-outputs.'],
  [
    'log-rotation-config-json',
    'string',
    '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}',
    'used',
    'Megabytes, days and number of rotated log files; needs --enable-log-rotation.',
  ],
  ['warning-unary-request-duration', 'duration', '300ms', 'used', 'Log unary requests slower than this.'],
  ['enable-distributed-tracing', 'bool', 'false', 'used', 'Export OpenTelemetry traces.'],
  ['distributed-tracing-address', 'string', 'localhost:4317', 'used', 'OTLP gRPC endpoint.'],
  ['distributed-tracing-service-name', 'string', 'etcd', 'used', 'Prefix of service.name.'],
  ['distributed-tracing-instance-id', 'string', '', 'used', 'service.instance.id.'],
  [
    'distributed-tracing-sampling-rate',
    'int',
    '0',
    'used',
    'Sampled requests per million; 0: only those whose caller sampled them.',
  ],
];

const FEATURES: readonly Row[] = [
  [
    'corrupt-check-time',
    'duration',
    '0s',
    'used',
    'Interval of comparing the hash of all keys between members; 0: off.',
  ],
  ['compact-hash-check-time', 'duration', '1m', 'harmless', 'Interval of compaction hash checks.'],
  ['compaction-batch-limit', 'int', '1000', 'harmless', 'Revisions deleted in one compaction slice.'],
  ['compaction-sleep-interval', 'duration', '10ms', 'harmless', 'Pause between compaction slices.'],
  ['watch-progress-notify-interval', 'duration', '10m', 'used', 'Interval of progress notifications.'],
  ['warning-apply-duration', 'duration', '100ms', 'harmless', 'Log applies slower than this.'],
  ['bootstrap-defrag-threshold-megabytes', 'int', '0', 'harmless', 'Defragment at start above this much free space.'],
  ['max-learners', 'int', '1', 'used', 'Most learners of a cluster.'],
  ['downgrade-check-time', 'duration', '5s', 'harmless', 'Interval of downgrade checks.'],
  ['snapshot-catchup-entries', 'int', '5000', 'used', 'Entries kept for slow followers.'],
];

const UNSAFE: readonly Row[] = [
  ['force-new-cluster', 'bool', 'false', 'used', 'Start a cluster of this member alone from its data.'],
  ['unsafe-no-fsync', 'bool', 'false', 'refused', 'Do not sync. Hexad always does.'],
];

const HIDDEN: readonly Row[] = [
  ['config-file', 'string', '', 'used', 'Configuration file; all other flags and variables are then ignored.'],
  ['version', 'bool', 'false', 'used', 'Print the version and exit.'],
  ['cluster-active-size', 'string', '', 'harmless', 'Legacy.'],
  ['cluster-remove-delay', 'string', '', 'harmless', 'Legacy.'],
  ['cluster-sync-interval', 'string', '', 'harmless', 'Legacy.'],
  ['config', 'string', '', 'harmless', 'Legacy.'],
  ['force', 'bool', 'false', 'harmless', 'Legacy.'],
  ['max-result-buffer', 'string', '', 'harmless', 'Legacy.'],
  ['max-retry-attempts', 'string', '', 'harmless', 'Legacy.'],
  ['peer-heartbeat-interval', 'string', '', 'harmless', 'Legacy.'],
  ['peer-election-timeout', 'string', '', 'harmless', 'Legacy.'],
  ['retry-interval', 'string', '', 'harmless', 'Legacy.'],
  ['snapshot', 'string', '', 'harmless', 'Legacy.'],
  ['v', 'bool', 'false', 'harmless', 'Legacy.'],
  ['vv', 'bool', 'false', 'harmless', 'Legacy.'],
  ['enable-v2', 'bool', 'false', 'harmless', 'The v2 API of etcd 3.5; not served.'],
  ['proxy', 'string', 'off', 'refused', 'The v2 proxy of etcd 3.5.'],
];

const OWN: readonly Row[] = [
  [
    'event-bus',
    'string',
    'grpc',
    'used',
    "How storage feeds watch hubs: 'grpc', or a comma list of nats://HOST:PORT or tls://HOST:PORT.",
  ],
  [
    'event-bus-credentials-file',
    'string',
    '',
    'used',
    'File with user:password, a token, or NATS credentials for --event-bus.',
  ],
  ['event-bus-trusted-ca-file', 'string', '', 'used', 'CA of the servers of --event-bus; makes the connection TLS.'],
  ['event-bus-cert-file', 'string', '', 'used', 'Client certificate for --event-bus.'],
  ['event-bus-key-file', 'string', '', 'used', 'Key of --event-bus-cert-file.'],
  [
    'attach-members',
    'strings',
    '',
    'used',
    "For a free-standing watch or proxy process: names of members to attach to, put for {member} in the addresses below, or '*' for those heard of over the event bus.",
  ],
  ['cluster-id', 'string', '', 'used', 'Cluster of a free-standing process, in hex (default: from --initial-cluster).'],
  [
    'watch-hubs',
    'strings',
    '',
    'used',
    "Addresses of a proxy's watch hubs (tcp:HOST:PORT for each address of HOST), or '*' for those heard of over the event bus (default: its member's own).",
  ],
  [
    'watch-advertise-address',
    'string',
    '',
    'used',
    'Address a watch hub tells over the event bus (default: the one it listens on).',
  ],
  [
    'watch-recheck-permissions',
    'bool',
    'false',
    'used',
    'End watches whose user may no longer read their range (etcd checks at creation only).',
  ],
  ['auto-disarm', 'bool', 'false', 'used', 'Clear the NOSPACE alarm when use falls below 85 % of the quota.'],
  ['rpc-engine', 'string', 'native', 'used', "gRPC engine: 'native' or 'grpc-js'."],
  [
    'run-dir',
    'string',
    '',
    'used',
    'Directory of the internal sockets (default: a short path under the temporary directory).',
  ],
  ...PROCESS_NAMES.map(
    (name): Row => [
      `${name}-address`,
      'string',
      '',
      'used',
      `Internal address of ${name}: unix:PATH or tcp:HOST:PORT (default: a socket in --run-dir).`,
    ],
  ),
  ['stage-stamps', 'bool', 'true', 'used', 'Note for every request where its time went, stage by stage.'],
  ['slow-request-threshold', 'duration', '100ms', 'used', 'Log requests slower than this with their stages; 0s: none.'],
  [
    'internal-cert-file',
    'string',
    '',
    'used',
    'Certificate of this process for its siblings over TCP; its common name is the role (raft, storage, …).',
  ],
  ['internal-key-file', 'string', '', 'used', 'Key of --internal-cert-file.'],
  ['internal-trusted-ca-file', 'string', '', 'used', 'CA of --internal-cert-file; it must sign nothing else.'],
  ['wal-segment-bytes', 'int', '67108864', 'used', 'Size of a segment of the write-ahead log.'],
  ['divergence-check', 'bool', 'true', 'used', 'Compare a rolling hash of the state between members all the time.'],
  [
    'scrub-bytes-per-second',
    'int',
    '1048576',
    'used',
    'Rate at which the store is read in the background to find bytes that have rotted; 0: off.',
  ],
  ['watch-memory-max-bytes', 'int', '536870912', 'used', 'Memory ceiling of a watch hub.'],
];

function rows(group: string, list: readonly Row[], own?: true): Flag[] {
  return list.map(([name, kind, initial, status, help]) => ({
    name,
    kind,
    initial,
    status,
    group,
    help,
    ...(own ? { own } : {}),
  }));
}

export const FLAGS: readonly Flag[] = [
  ...rows('Member', MEMBER),
  ...rows('Clustering', CLUSTERING),
  ...rows('Security', SECURITY),
  ...rows('Auth', AUTH),
  ...rows('Profiling, monitoring, logging, tracing', MONITORING),
  ...rows('Features', FEATURES),
  ...rows('Unsafe', UNSAFE),
  ...rows('Hexad', OWN, true),
  ...rows('', HIDDEN),
];

/** Older spelling → today's name. */
export const ALIASES: Readonly<Record<string, string>> = Object.fromEntries(
  [
    'corrupt-check-time',
    'compact-hash-check-time',
    'compaction-batch-limit',
    'compaction-sleep-interval',
    'memory-mlock',
    'peer-skip-client-san-verification',
    'snapshot-catchup-entries',
    'warning-apply-duration',
    'warning-unary-request-duration',
    'watch-progress-notify-interval',
    'downgrade-check-time',
    'bootstrap-defrag-threshold-megabytes',
    'enable-distributed-tracing',
    'distributed-tracing-address',
    'distributed-tracing-service-name',
    'distributed-tracing-instance-id',
    'distributed-tracing-sampling-rate',
    'max-learners',
  ].map((name) => [`experimental-${name}`, name]),
);

/** Boolean flags of 3.5 and 3.6 that became feature gates. */
export const GATE_ALIASES: Readonly<Record<string, string>> = {
  'experimental-initial-corrupt-check': 'InitialCorruptCheck',
  'experimental-compact-hash-check-enabled': 'CompactHashCheck',
  'experimental-enable-lease-checkpoint': 'LeaseCheckpoint',
  'experimental-enable-lease-checkpoint-persist': 'LeaseCheckpointPersist',
  'experimental-stop-grpc-service-on-defrag': 'StopGRPCServiceOnDefrag',
  'experimental-txn-mode-write-with-shared-buffer': 'TxnModeWriteWithSharedBuffer',
};

/** Gate → its default and what Hexad does with another value. */
export const GATES: Readonly<Record<string, { readonly initial: boolean; readonly status: FlagStatus }>> = {
  AllAlpha: { initial: false, status: 'harmless' },
  AllBeta: { initial: false, status: 'harmless' },
  StopGRPCServiceOnDefrag: { initial: false, status: 'harmless' },
  InitialCorruptCheck: { initial: false, status: 'used' },
  CompactHashCheck: { initial: false, status: 'harmless' },
  TxnModeWriteWithSharedBuffer: { initial: true, status: 'harmless' },
  LeaseCheckpoint: { initial: false, status: 'used' },
  LeaseCheckpointPersist: { initial: false, status: 'harmless' },
  SetMemberLocalAddr: { initial: false, status: 'harmless' },
  FastLeaseKeepAlive: { initial: true, status: 'harmless' },
  PriorityRequest: { initial: false, status: 'harmless' },
};
