import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { ConfigError, type LogConfig, logConfigOf, parseDuration } from '../../libs/config';
import { CONNECTIONS_MAX } from '../../libs/limits';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface GatewayConfig {
  readonly listen: HostPort;
  readonly endpoints: readonly HostPort[];
  readonly retryDelayMs: number;
  /** 0: an endpoint that has failed is tried again after `retryDelayMs`. */
  readonly healthCheckIntervalMs: number;
  readonly connectTimeoutMs: number;
  readonly resolveIntervalMs: number;
  readonly drainTimeoutMs: number;
  readonly connectionsMax: number;
  readonly log: LogConfig;
  readonly warnings: readonly string[];
}

/** Thrown after commander has printed what is wrong, or the help. */
export class GatewayUsage extends Error {
  constructor(readonly exitCode: number) {
    super('usage');
  }
}

interface Flags {
  readonly listenAddr: HostPort;
  readonly endpoints: readonly HostPort[];
  readonly discoverySrv: string;
  readonly discoverySrvName: string;
  readonly insecureDiscovery: boolean;
  readonly trustedCaFile: string;
  readonly retryDelay: number;
  readonly healthCheckInterval: number;
  readonly connectTimeout: number;
  readonly resolveInterval: number;
  readonly drainTimeout: number;
  readonly maxConnections: number;
  readonly logLevel: string;
  readonly logFormat: string;
  readonly logOutputs: string;
  readonly enableLogRotation: boolean;
  readonly logRotationConfigJson: string;
}

/**
 * Reads what follows `hexad gateway`: etcd's flags, then Hexad's own.
 *
 * @throws GatewayUsage, ConfigError
 */
export function gatewayConfig(argv: readonly string[]): GatewayConfig {
  let found: GatewayConfig | undefined;
  const program = new Command('hexad gateway').description('One port in front of many proxies').exitOverride();
  program
    .command('start')
    .description('Start the gateway')
    .exitOverride()
    .option('--listen-addr <address>', 'listen address', hostPort, { host: '127.0.0.1', port: 23_790 })
    .option(
      '--endpoints <list>',
      'comma separated proxies, HOST:PORT; a name may stand for many (default: 127.0.0.1:2379)',
      endpoints,
    )
    .option('--discovery-srv <domain>', 'not supported', '')
    .option('--discovery-srv-name <suffix>', 'not supported', '')
    .option('--insecure-discovery', 'no effect', false)
    .option('--trusted-ca-file <file>', 'no effect: TLS is between client and proxy', '')
    .option(
      '--retry-delay <duration>',
      'how long a failed endpoint is left alone, without health checks',
      duration,
      60_000,
    )
    .option('--health-check-interval <duration>', 'time between two checks of an endpoint; 0: none', duration, 2_000)
    .option('--connect-timeout <duration>', 'how long an endpoint may take to accept a connection', duration, 1_000)
    .option('--resolve-interval <duration>', 'how often names are looked up', duration, 2_000)
    .option(
      '--drain-timeout <duration>',
      'how long connections may last once the gateway is told to stop',
      duration,
      5_000,
    )
    .option('--max-connections <number>', 'most connections at a time', positive, CONNECTIONS_MAX)
    .option('--log-level <level>', 'debug, info, warn, error, panic or fatal', 'info')
    .option('--log-format <format>', 'json or console', 'json')
    .option('--log-outputs <list>', 'default, stderr, stdout, systemd/journal or paths of files', 'default')
    .option('--enable-log-rotation', 'rotate the one log file of --log-outputs', false)
    .option('--log-rotation-config-json <json>', 'megabytes, days and number of rotated log files', '{}')
    .action((flags: Flags) => {
      found = configOf(flags);
    });
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw new GatewayUsage(error.exitCode);
    throw error;
  }
  if (found === undefined) throw new GatewayUsage(1);
  return found;
}

function configOf(flags: Flags): GatewayConfig {
  if (flags.discoverySrv !== '' || flags.discoverySrvName !== '') {
    throw new ConfigError('--discovery-srv is not supported by this version of Hexad: name the endpoints');
  }
  const listen = flags.listenAddr;
  const list = flags.endpoints ?? [{ host: '127.0.0.1', port: 2379 }];
  const own = list.find(({ host, port }) => host === listen.host && port === listen.port);
  if (own !== undefined) {
    throw new ConfigError(`--endpoints has the gateway's own --listen-addr ${formatHostPort(own)}: name the proxies`);
  }
  if (flags.connectTimeout <= 0 || flags.resolveInterval <= 0 || flags.retryDelay <= 0) {
    throw new ConfigError('--connect-timeout, --resolve-interval and --retry-delay must be above 0');
  }
  return {
    listen,
    endpoints: list,
    retryDelayMs: flags.retryDelay,
    healthCheckIntervalMs: flags.healthCheckInterval,
    connectTimeoutMs: flags.connectTimeout,
    resolveIntervalMs: flags.resolveInterval,
    drainTimeoutMs: flags.drainTimeout,
    connectionsMax: flags.maxConnections,
    log: logConfigOf({
      level: flags.logLevel,
      format: flags.logFormat,
      outputs: flags.logOutputs,
      rotate: String(flags.enableLogRotation),
      rotationJson: flags.logRotationConfigJson,
    }),
    warnings: flags.trustedCaFile === '' ? [] : ['--trusted-ca-file has no effect: TLS is between client and proxy'],
  };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** As etcd: a scheme before the address is left out. */
function hostPort(text: string): HostPort {
  const [, host = '', port = ''] =
    /^(?:https?:\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s:[\]/]*):(\d+)\/?$/.exec(text.trim()) ?? [];
  if (port === '' || Number(port) > 65_535) throw new InvalidArgumentError(`"${text}" is not HOST:PORT.`);
  return { host: host.replace(/^\[|\]$/g, '') || '0.0.0.0', port: Number(port) };
}

function endpoints(text: string, before: readonly HostPort[] = []): HostPort[] {
  const list = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(hostPort);
  if (list.length === 0) throw new InvalidArgumentError('It names no endpoint.');
  const portless = list.find(({ port }) => port === 0);
  if (portless !== undefined) throw new InvalidArgumentError(`${formatHostPort(portless)} has no port.`);
  return [...before, ...list];
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 0) throw new InvalidArgumentError(`"${text}" is not a duration such as 2s or 500ms.`);
  return ms;
}

function positive(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value))
    throw new InvalidArgumentError(`"${text}" is not a number above 0.`);
  return value;
}
