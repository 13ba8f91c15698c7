import { ConfigError, parseBool } from './flag-values';
import type { LogConfig, LogRotation } from './process-config';

const LEVELS = ['debug', 'info', 'warn', 'error', 'dpanic', 'panic', 'fatal'] as const;
const FORMATS = ['json', 'console'] as const;
const DEFAULT = 'default';
const JOURNAL = 'systemd/journal';
const STREAMS: readonly string[] = [DEFAULT, 'stderr', 'stdout', JOURNAL];
const MEGABYTE = 1024 * 1024;
/** What a size of 0 stands for, in megabytes. */
const DEFAULT_MEGABYTES = 100;

/** The logging flags as texts: of a member from its flag table, of the gateway from its own. */
export interface LogFlags {
  readonly level: string;
  readonly format: string;
  /** A comma list. */
  readonly outputs: string;
  readonly rotate: string;
  readonly rotationJson: string;
}

/**
 * Checks the logging flags with etcd's rules. Files are opened by whoever logs.
 *
 * @throws ConfigError
 */
export function logConfigOf(flags: LogFlags): LogConfig {
  const level = oneOf('log-level', flags.level, LEVELS);
  const format = oneOf('log-format', flags.format, FORMATS);
  const outputs = outputsOf(flags.outputs);
  const rotation = parseBool(flags.rotate) === true ? rotationOf(flags.rotationJson, outputs) : null;
  return { level, format, outputs, rotation };
}

/** Each output once, in the order given. */
function outputsOf(text: string): readonly string[] {
  const named = text.split(',').map((part) => part.trim());
  const outputs = [...new Set(named.filter((part) => part !== ''))];
  if (outputs.length === 0) return [DEFAULT];
  if (outputs.length === 1) return outputs;
  if (outputs.includes(DEFAULT)) throw new ConfigError('multi logoutput for "default" is not supported yet');
  if (outputs.includes(JOURNAL)) {
    throw new ConfigError(
      `running with systemd/journal but other '--log-outputs' values (${JSON.stringify(outputs)}) are configured with 'default'; override 'default' value with something else`,
    );
  }
  return outputs;
}

/** The journal, which etcd takes for a file here, can't be rotated by us either. */
function rotationOf(text: string, outputs: readonly string[]): LogRotation {
  if (outputs.filter((output) => !STREAMS.includes(output)).length !== 1) {
    throw new ConfigError('--log-outputs requires a single file path when --log-rotate-config-json is defined');
  }
  const given = parseRotation(text);
  return {
    bytesMax: (wholeNumber(given, 'maxsize') || DEFAULT_MEGABYTES) * MEGABYTE,
    daysMax: wholeNumber(given, 'maxage'),
    backupsMax: wholeNumber(given, 'maxbackups'),
    localTime: flag(given, 'localtime'),
    compress: flag(given, 'compress'),
  };
}

/** As Go reads it: the case of keys does not count, and unknown ones are left out. */
function parseRotation(text: string): ReadonlyMap<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`improperly formatted log rotation config: ${(error as Error).message}`);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new ConfigError(`invalid log rotation config: ${text} is not a JSON object`);
  return new Map(Object.entries(document).map(([key, value]) => [key.toLowerCase(), value as unknown]));
}

function wholeNumber(given: ReadonlyMap<string, unknown>, key: string): number {
  const value = given.get(key) ?? 0;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new ConfigError(
    `invalid log rotation config: ${key} must be a whole number, 0 or more (is ${JSON.stringify(value)})`,
  );
}

function flag(given: ReadonlyMap<string, unknown>, key: string): boolean {
  const value = given.get(key) ?? false;
  if (typeof value === 'boolean') return value;
  throw new ConfigError(`invalid log rotation config: ${key} must be true or false (is ${JSON.stringify(value)})`);
}

function oneOf<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  throw new ConfigError(`invalid value "${text}" for --${name}: expected ${allowed.join(' or ')}`);
}
