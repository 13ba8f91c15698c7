import { type AuthTokenSpec, parseAuthToken } from '../../libs/auth-token';
import { readFileSync } from 'node:fs';
import {
  ETCD_VERSION,
  clientMessageBytesMax,
  CONNECTIONS_MAX,
  leaseTtlSecondsMin,
  requestTimeoutMs,
  RESERVED_FILES,
  watchFragmentBytes,
} from '../../libs/limits';
import { readCertificate, readPem, StartError } from '../../libs/process';
import type { Address, TlsServerOptions } from '../../libs/rpc';
import type { ProcessConfig } from '../../libs/config';

/** What `Status` and `/version` report: the API this member speaks. */
export const SERVER_VERSION = ETCD_VERSION;

export interface ListenUrl {
  readonly url: string;
  readonly address: Address;
  readonly tls: boolean;
}

export interface ProxySettings {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly timeoutMs: number;
  /** A stream with `hasleader` ends after this long without a leader. */
  readonly leaderlessMaxMs: number;
  readonly leaseTtlMin: number;
  readonly messageBytesMax: number;
  readonly fragmentBytes: number;
  readonly clientUrls: readonly ListenUrl[];
  /** HTTP/1.1 has listeners of its own and is not served on the client URLs; empty: it is. */
  readonly httpUrls: readonly ListenUrl[];
  readonly metricsUrls: readonly ListenUrl[];
  readonly tls: TlsServerOptions | undefined;
  readonly authToken: AuthTokenSpec;
  readonly keepalive: ProcessConfig['keepalive'];
  /** Connections of one listener. */
  readonly connectionsMax: number;
}

/** What gRPC itself takes where etcd is told 0. */
const GRPC_KEEPALIVE = { minTimeMs: 5 * 60_000, intervalMs: 2 * 3_600_000, timeoutMs: 20_000 } as const;

/** Throws StartError on a URL that can't be listened on and on certificates that can't be read. */
export function proxySettings(config: ProcessConfig): ProxySettings {
  const { timing, limits, urls } = config;
  const settings = {
    clusterId: BigInt(`0x${config.clusterId}`),
    memberId: BigInt(`0x${config.memberId}`),
    timeoutMs: requestTimeoutMs(timing.electionMs),
    leaderlessMaxMs: 3 * timing.electionMs,
    leaseTtlMin: leaseTtlSecondsMin(timing.electionMs),
    messageBytesMax: clientMessageBytesMax(limits.maxRequestBytes),
    fragmentBytes: watchFragmentBytes(limits.maxRequestBytes),
    clientUrls: urls.listenClient.map(listenUrl),
    httpUrls: urls.listenClientHttp.map(listenUrl),
    metricsUrls: urls.listenMetrics.map(listenUrl),
    tls: readTls(config),
    authToken: parseAuthToken(config.auth.token),
    keepalive: keepaliveOf(config.keepalive),
    connectionsMax: connectionsMax(openFilesMax()),
  };
  const secure = [...settings.clientUrls, ...settings.httpUrls, ...settings.metricsUrls].find((one) => one.tls);
  if (secure !== undefined && settings.tls === undefined) {
    throw new StartError(
      `client TLS key/cert (--cert-file, --key-file) must be provided for client secure url ${secure.url}`,
    );
  }
  return settings;
}

/** `http://host:port`, `https://…`, `unix://path`, `unixs://path`. */
export function listenUrl(url: string): ListenUrl {
  const [, scheme = '', rest = ''] = /^(\w+):\/\/(.*)$/.exec(url) ?? [];
  if (scheme === 'unix' || scheme === 'unixs') {
    return { url, tls: scheme === 'unixs', address: { kind: 'unix', path: rest } };
  }
  const [, host = '', port = ''] = /^(\[[^\]]+\]|[^:/]*):(\d+)\/?$/.exec(rest) ?? [];
  if ((scheme !== 'http' && scheme !== 'https') || port === '') throw new StartError(`can't listen on ${url}`);
  const address = { kind: 'tcp', host: host.replace(/^\[|\]$/g, '') || '0.0.0.0', port: Number(port) } as const;
  return { url, tls: scheme === 'https', address };
}

/** As etcd reads its flags: 0 is not "off" but leaves gRPC's own default; interval and timeout count only together. */
export function keepaliveOf({
  minTimeMs,
  intervalMs,
  timeoutMs,
}: ProcessConfig['keepalive']): ProcessConfig['keepalive'] {
  const pings = intervalMs > 0 && timeoutMs > 0 ? { intervalMs, timeoutMs } : GRPC_KEEPALIVE;
  return { ...GRPC_KEEPALIVE, ...pings, minTimeMs: minTimeMs > 0 ? minTimeMs : GRPC_KEEPALIVE.minTimeMs };
}

/** What the process may open, less what it needs itself. */
export function connectionsMax(openFiles: number): number {
  return Math.max(1, Math.min(CONNECTIONS_MAX, openFiles - RESERVED_FILES));
}

/** Node raises its soft limit to the hard one when it starts. Infinity where the system does not tell. */
function openFilesMax(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function readTls(config: ProcessConfig): TlsServerOptions | undefined {
  const files = config.tls.client;
  if (files === null || files.certFile === '') return undefined;
  const options = {
    cert: readCertificate(files.certFile),
    key: readPem(files.keyFile),
    clientCertAuth: files.clientCertAuth,
    minVersion: files.minVersion,
  };
  return {
    ...options,
    ...(files.trustedCaFile === '' ? {} : { ca: readPem(files.trustedCaFile) }),
    ...(files.cipherSuites === '' ? {} : { cipherSuites: files.cipherSuites }),
  };
}
