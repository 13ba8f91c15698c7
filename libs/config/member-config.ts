import { join, resolve } from 'node:path';
import { parseDuration } from './durations';
import { socketAddresses } from './addresses';
import { FLAGS, GATES } from './flag-table';
import { ConfigError, type FlagValues, parseBool } from './flag-values';
import { clusterId, formatId, memberId, type NamedMember, parseInitialCluster } from './membership';
import { logConfigOf } from './log-config';
import { type LogConfig, PROCESS_NAMES, type ProcessConfig, type ProcessName, type TlsFiles } from './process-config';
import { eventBusOf, givenClusterId, tiersOf } from './tiers';
import { advertiseUrl, listenUrl, splitUrls } from './urls';
import { Values } from './values';

/** What all processes of a member share; `process` is added for each. */
export type MemberConfig = Omit<ProcessConfig, 'process'> & {
  readonly warnings: readonly string[];
  readonly autoTls: AutoTls;
};

/** Certificates that must be generated before the processes start. */
export interface AutoTls {
  readonly client: boolean;
  readonly peer: boolean;
  readonly validityYears: number;
}

const DEFAULT_QUOTA = 2 * 1024 * 1024 * 1024;
const QUOTA_WARNING = 8 * 1024 * 1024 * 1024;

/**
 * Turns flag values into the configuration of a member, with etcd's defaults and checks.
 *
 * @throws ConfigError with one line that says what is wrong
 */
export function memberConfig(values: FlagValues): MemberConfig {
  const warnings = [...values.warnings];
  checkUnbuilt(values, warnings);
  const gates = featureGates(values, warnings);
  const v = new Values(values);
  const name = v.text('name');
  const urls = urlsOf(v);
  cipherSuites(v.text('cipher-suites')); // a wrong name is an error even while TLS is off
  const dataDir = resolve(v.text('data-dir') || `${name}.etcd`);
  const tiers = tiersOf(v, dataDir);
  const { attach } = tiers;
  const members = attach === null ? initialMembers(v, name, urls.advertisePeer) : knownMembers(v);
  const token = v.text('initial-cluster-token');
  const ids = members.map((member) => memberId(member.peerUrls, token));
  const own = members.findIndex((member) => member.name === name);
  const quota = v.int('quota-backend-bytes');
  if (quota > QUOTA_WARNING)
    warnings.push(`quota-backend-bytes ${quota} exceeds the suggested maximum of ${QUOTA_WARNING}`);
  return {
    name,
    memberId: formatId(ids[own] ?? 0n),
    clusterId: givenClusterId(v, attach) ?? (ids.length === 0 ? '0' : formatId(clusterId(ids))),
    clusterToken: token,
    clusterState: oneOf(v, 'initial-cluster-state', ['new', 'existing']),
    initialMembers: members
      .map((member, at) => ({ id: ids[at] ?? 0n, member }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map(({ id, member }) => ({ id: formatId(id), name: member.name, peerUrls: member.peerUrls })),
    addresses: socketAddresses(v, dataDir, attach),
    rpcEngine: oneOf(v, 'rpc-engine', ['native', 'grpc-js']),
    eventBus: eventBusOf(v),
    tiers,
    watchRecheckPermissions: v.bool('watch-recheck-permissions'),
    paths: {
      dataDir,
      memberDir: join(dataDir, 'member'),
      walDir: v.text('wal-dir') === '' ? join(dataDir, 'member', 'wal') : resolve(v.text('wal-dir')),
      storeDir: join(dataDir, 'member', 'db'),
    },
    urls,
    internalTls: internalTls(v, warnings),
    tls: { client: clientTls(v, dataDir), peer: peerTls(v, dataDir) },
    autoTls: {
      client: v.bool('auto-tls') && v.text('cert-file') === '',
      peer: v.bool('peer-auto-tls') && v.text('peer-cert-file') === '',
      validityYears: v.int('self-signed-cert-validity'),
    },
    timing: timingOf(v),
    limits: {
      maxRequestBytes: v.int('max-request-bytes'),
      maxTxnOps: v.int('max-txn-ops'),
      maxConcurrentStreams: v.int('max-concurrent-streams'),
      maxLearners: v.int('max-learners'),
      quotaBackendBytes: quota === 0 ? DEFAULT_QUOTA : quota,
      autoDisarm: v.bool('auto-disarm'),
      snapshotCount: v.int('snapshot-count'),
      snapshotCatchupEntries: v.int('snapshot-catchup-entries'),
      compactionBatchLimit: v.int('compaction-batch-limit'),
      watchMemoryMaxBytes: v.int('watch-memory-max-bytes'),
      walSegmentBytes: walSegmentBytes(v),
    },
    keepalive: {
      minTimeMs: v.ms('grpc-keepalive-min-time'),
      intervalMs: v.ms('grpc-keepalive-interval'),
      timeoutMs: v.ms('grpc-keepalive-timeout'),
    },
    raft: {
      preVote: v.bool('pre-vote'),
      strictReconfigCheck: v.bool('strict-reconfig-check'),
      forceNewCluster: v.bool('force-new-cluster'),
    },
    auth: { token: v.text('auth-token'), bcryptCost: bcryptCost(v) },
    http: {
      enableGateway: v.bool('enable-grpc-gateway'),
      cors: v.text('cors'),
      hostWhitelist: v.text('host-whitelist'),
      metrics: oneOf(v, 'metrics', ['basic', 'extensive']),
      enablePprof: v.bool('enable-pprof'),
    },
    checks: {
      divergence: v.bool('divergence-check'),
      initialCorrupt: gates.get('InitialCorruptCheck') ?? false,
      corruptMs: v.ms('corrupt-check-time'),
      scrubBytesPerSecond: scrubRate(v),
    },
    leaseCheckpoint: gates.get('LeaseCheckpoint') ?? false,
    unsafeNoFsync: false,
    telemetry: {
      enabled: v.bool('enable-distributed-tracing') || (process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '') !== '',
      endpoint: v.bool('enable-distributed-tracing') ? v.text('distributed-tracing-address') : '',
      serviceName: v.has('distributed-tracing-service-name') ? v.text('distributed-tracing-service-name') : 'hexad',
      instanceId: v.text('distributed-tracing-instance-id') || name,
      samplingPerMillion: v.int('distributed-tracing-sampling-rate'),
      stageStamps: v.bool('stage-stamps'),
      slowRequestMs: v.ms('slow-request-threshold'),
    },
    log: logOf(v),
    warnings,
  };
}

/** Small segments are for tests of what happens when there are many. */
function walSegmentBytes(v: Values): number {
  const bytes = v.int('wal-segment-bytes');
  if (bytes < 16 * 1024 || bytes > 1024 ** 3)
    throw new ConfigError(`--wal-segment-bytes must be from 16384 to 1073741824 (is ${bytes})`);
  return bytes;
}

function scrubRate(v: Values): number {
  const rate = v.int('scrub-bytes-per-second');
  if (rate < 0) throw new ConfigError(`--scrub-bytes-per-second must not be negative (is ${rate})`);
  return rate;
}

/** The document for one process. */
export function processConfig(config: MemberConfig, process_: ProcessName): ProcessConfig {
  const { warnings: _warnings, autoTls: _autoTls, ...shared } = config;
  return { ...shared, process: process_ };
}

/** Ignoring a flag that guards something would be worse than not starting. */
function checkUnbuilt(values: FlagValues, warnings: string[]): void {
  for (const flag of FLAGS) {
    const text = values.given.get(flag.name);
    if (text === undefined || flag.status === 'used' || text === flag.initial) continue;
    if (flag.status === 'refused') throw new ConfigError(`--${flag.name} is not supported by this version of Hexad`);
    warnings.push(`--${flag.name} has no effect in this version of Hexad`);
  }
}

function featureGates(values: FlagValues, warnings: string[]): Map<string, boolean> {
  const gates = new Map(values.gates);
  for (const part of (values.given.get('feature-gates') ?? '').split(',').filter((text) => text !== '')) {
    const [name = '', text = ''] = part.split('=').map((side) => side.trim());
    const value = parseBool(text);
    if (value === undefined) throw new ConfigError(`invalid value of feature gate ${name}: "${text}"`);
    gates.set(name, value);
  }
  for (const [name, value] of gates) {
    const gate = GATES[name];
    if (gate === undefined) throw new ConfigError(`unrecognized feature gate: ${name}`);
    if (value === gate.initial || gate.status === 'used') continue;
    if (gate.status === 'refused')
      throw new ConfigError(`feature gate ${name} is not supported by this version of Hexad`);
    warnings.push(`feature gate ${name} has no effect in this version of Hexad`);
  }
  return gates;
}

function urlsOf(v: Values): ProcessConfig['urls'] {
  const listenClient = splitUrls(v.text('listen-client-urls')).map((url) => listenUrl(url, 'listen-client-urls'));
  const listenPeer = splitUrls(v.text('listen-peer-urls')).map((url) => listenUrl(url, 'listen-peer-urls'));
  if (listenClient.length === 0) throw new ConfigError('--listen-client-urls is empty');
  if (listenPeer.length === 0) throw new ConfigError('--listen-peer-urls is empty');
  if (v.has('listen-client-urls') && !v.has('advertise-client-urls')) {
    throw new ConfigError('--advertise-client-urls is required when --listen-client-urls is set explicitly');
  }
  return {
    listenClient,
    listenPeer,
    listenClientHttp: splitUrls(v.text('listen-client-http-urls')).map((url) =>
      listenUrl(url, 'listen-client-http-urls'),
    ),
    listenMetrics: splitUrls(v.text('listen-metrics-urls')).map((url) => listenUrl(url, 'listen-metrics-urls')),
    advertiseClient: splitUrls(v.text('advertise-client-urls')).map((url) =>
      advertiseUrl(url, 'advertise-client-urls'),
    ),
    advertisePeer: splitUrls(v.text('initial-advertise-peer-urls')).map((url) =>
      advertiseUrl(url, 'initial-advertise-peer-urls'),
    ),
  };
}

/** Of a free-standing process: it needs them only to know the cluster's id, and takes part in none. */
function knownMembers(v: Values): NamedMember[] {
  const text = v.text('initial-cluster');
  const members = parseInitialCluster(text);
  if (text !== '' && members === undefined)
    throw new ConfigError(`cannot parse --initial-cluster=${text}: expected name=url,name=url,…`);
  return text === '' ? [] : (members ?? []);
}

function initialMembers(v: Values, name: string, advertisePeer: readonly string[]): NamedMember[] {
  const text = v.text('initial-cluster') || advertisePeer.map((url) => `${name}=${url}`).join(',');
  const members = parseInitialCluster(text);
  if (members === undefined)
    throw new ConfigError(`cannot parse --initial-cluster=${text}: expected name=url,name=url,…`);
  const own = members.find((member) => member.name === name);
  if (own === undefined)
    throw new ConfigError(`couldn't find local name "${name}" in the initial cluster configuration`);
  const missing = own.peerUrls.filter((url) => !advertisePeer.includes(url));
  if (missing.length > 0) {
    throw new ConfigError(
      `--initial-cluster has ${name}=${missing.join(',')} but missing from --initial-advertise-peer-urls=${advertisePeer.join(',')}: is --name ${name} that of another member?`,
    );
  }
  const all = members.flatMap((member) => member.peerUrls);
  const twice = all.find((url, at) => all.indexOf(url) !== at);
  if (twice !== undefined) throw new ConfigError(`duplicate peer URL ${twice} in --initial-cluster`);
  return members;
}

function timingOf(v: Values): ProcessConfig['timing'] {
  const heartbeatMs = v.int('heartbeat-interval');
  const electionMs = v.int('election-timeout');
  if (heartbeatMs < 1) throw new ConfigError(`--heartbeat-interval must be >0 (set to ${heartbeatMs}ms)`);
  if (electionMs < 1) throw new ConfigError(`--election-timeout must be >0 (set to ${electionMs}ms)`);
  if (5 * heartbeatMs > electionMs) {
    throw new ConfigError(
      `--election-timeout[${electionMs}ms] should be at least as 5 times as --heartbeat-interval[${heartbeatMs}ms]`,
    );
  }
  if (electionMs > 50_000)
    throw new ConfigError(`--election-timeout[${electionMs}ms] is too long, and should be set less than 50000ms`);
  const autoCompactionMode = oneOf(v, 'auto-compaction-mode', ['periodic', 'revision']);
  return {
    heartbeatMs,
    electionMs,
    initialElectionTickAdvance: v.bool('initial-election-tick-advance'),
    watchProgressNotifyMs: v.ms('watch-progress-notify-interval'),
    warningUnaryRequestMs: v.ms('warning-unary-request-duration'),
    warningApplyMs: v.ms('warning-apply-duration'),
    authTokenTtlSeconds: v.int('auth-token-ttl'),
    autoCompactionMode,
    autoCompactionRetention: retention(v.text('auto-compaction-retention'), autoCompactionMode),
    compactionSleepMs: v.ms('compaction-sleep-interval'),
  };
}

/** A bare number is hours in periodic mode and revisions in revision mode. */
function retention(text: string, mode: 'periodic' | 'revision'): number {
  const number = /^\d+$/.test(text) ? Number(text) : undefined;
  if (mode === 'revision') {
    if (number === undefined)
      throw new ConfigError(`--auto-compaction-retention "${text}" must be a number of revisions`);
    return number;
  }
  const ms = number === undefined ? parseDuration(text) : number * 3_600_000;
  if (ms === undefined || ms < 0)
    throw new ConfigError(`error parsing --auto-compaction-retention: "${text}" is not a duration`);
  return ms;
}

/** Whoever reaches raft could name any user: certificates, or a warning. */
function internalTls(v: Values, warnings: string[]): ProcessConfig['internalTls'] {
  const certFile = v.text('internal-cert-file');
  const keyFile = v.text('internal-key-file');
  const trustedCaFile = v.text('internal-trusted-ca-file');
  const given = [certFile, keyFile, trustedCaFile].filter((path) => path !== '');
  if (given.length === 3) return { certFile, keyFile, trustedCaFile };
  if (given.length > 0)
    throw new ConfigError(
      '--internal-cert-file, --internal-key-file and --internal-trusted-ca-file must all be given, or none',
    );
  const plain = PROCESS_NAMES.filter((name) => v.text(`${name}-address`).startsWith('tcp:'));
  if (plain.length > 0) {
    warnings.push(
      `${plain.map((name) => `--${name}-address`).join(', ')}: without --internal-cert-file whoever reaches ${plain.length === 1 ? 'it' : 'them'} may do anything`,
    );
  }
  return null;
}

function clientTls(v: Values, dataDir: string): TlsFiles | null {
  const auto = v.bool('auto-tls') && v.text('cert-file') === '';
  const folder = join(dataDir, 'fixtures', 'client');
  return tlsFiles(v, '', auto, folder);
}

function peerTls(v: Values, dataDir: string): TlsFiles | null {
  const auto = v.bool('peer-auto-tls') && v.text('peer-cert-file') === '';
  return tlsFiles(v, 'peer-', auto, join(dataDir, 'fixtures', 'peer'));
}

function tlsFiles(v: Values, prefix: '' | 'peer-', auto: boolean, folder: string): TlsFiles | null {
  const certFile = auto ? join(folder, 'cert.pem') : v.text(`${prefix}cert-file`);
  const keyFile = auto ? join(folder, 'key.pem') : v.text(`${prefix}key-file`);
  const scheme = splitUrls(v.text(prefix === '' ? 'listen-client-urls' : 'listen-peer-urls')).some((url) =>
    /^(https|unixs):/.test(url),
  );
  if (certFile === '' && keyFile === '') {
    if (scheme)
      throw new ConfigError(
        `TLS key/cert (--${prefix}cert-file, --${prefix}key-file) must be provided for a secure ${prefix === '' ? 'client' : 'peer'} url`,
      );
    if (v.bool(`${prefix}client-cert-auth`))
      throw new ConfigError(`--${prefix}client-cert-auth needs --${prefix}cert-file and --${prefix}key-file`);
    return null;
  }
  if (certFile === '' || keyFile === '')
    throw new ConfigError(`--${prefix}cert-file and --${prefix}key-file must both be given`);
  const clientCertAuth = v.bool(`${prefix}client-cert-auth`);
  const trustedCaFile = v.text(`${prefix}trusted-ca-file`);
  if (clientCertAuth && trustedCaFile === '')
    throw new ConfigError(`--${prefix}client-cert-auth needs --${prefix}trusted-ca-file`);
  const minVersion = oneOf(v, 'tls-min-version', ['TLS1.2', 'TLS1.3']);
  return {
    certFile,
    keyFile,
    clientCertFile: v.text(`${prefix}client-cert-file`) || certFile,
    clientKeyFile: v.text(`${prefix}client-key-file`) || keyFile,
    trustedCaFile,
    clientCertAuth,
    skipVerify: auto,
    minVersion: minVersion === 'TLS1.3' ? 'TLSv1.3' : 'TLSv1.2',
    cipherSuites: cipherSuites(v.text('cipher-suites')),
  };
}

/** Go's names of the suites that both sides have → OpenSSL's. */
const CIPHERS: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
};

function cipherSuites(text: string): string {
  const names = text.split(',').filter((name) => name !== '');
  for (const name of names)
    if (CIPHERS[name] === undefined) throw new ConfigError(`unexpected TLS cipher suite "${name}"`);
  return names.map((name) => CIPHERS[name]).join(':');
}

function bcryptCost(v: Values): number {
  const cost = v.int('bcrypt-cost');
  if (cost < 4 || cost > 31) throw new ConfigError(`--bcrypt-cost must be from 4 to 31 (set to ${cost})`);
  return cost;
}

function logOf(v: Values): LogConfig {
  return logConfigOf({
    level: v.text('log-level'),
    format: v.text('log-format'),
    outputs: v.text('log-outputs'),
    rotate: v.text('enable-log-rotation'),
    rotationJson: v.text('log-rotation-config-json'),
  });
}

function oneOf<T extends string>(v: Values, name: string, allowed: readonly T[]): T {
  const text = v.text(name);
  const found = allowed.find((value) => value === text);
  if (found === undefined)
    throw new ConfigError(`invalid value "${text}" for --${name}: expected ${allowed.join(' or ')}`);
  return found;
}
