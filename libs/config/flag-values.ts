import { ALIASES, FLAGS, type Flag, GATE_ALIASES } from './flag-table';
import { parseDuration } from './durations';

/** A mistake in the command line: usage is printed and the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A configuration that can be read but not served: one line, exit code 1. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Raw values by flag name, in text form. Gate aliases are collected apart. */
export interface FlagValues {
  readonly given: Map<string, string>;
  readonly gates: Map<string, boolean>;
  readonly warnings: string[];
  /** What was left after `--` or the first argument that is no flag. */
  readonly rest: readonly string[];
}

const BY_NAME = new Map(FLAGS.map((flag) => [flag.name, flag]));
const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

export function parseBool(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

/** Reads a command line with the syntax of Go's flag package: `-x v`, `--x=v`, `--bool`; the last of a repeated flag wins. */
export function parseArguments(argv: readonly string[]): FlagValues {
  const values: FlagValues = { given: new Map(), gates: new Map(), warnings: [], rest: [] };
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? '';
    if (argument === '--' || !/^--?[^-]/.test(argument)) {
      return { ...values, rest: argv.slice(argument === '--' ? at + 1 : at) };
    }
    const [, name = '', , inline] = /^--?([^=]+)(=([\s\S]*))?$/.exec(argument) ?? [];
    if (takeGate(values, name, inline)) continue;
    const flag = lookUp(values, name);
    if (inline !== undefined) setValue(values, flag, inline);
    else if (flag.kind === 'bool') setValue(values, flag, 'true');
    else {
      at += 1;
      const next = argv[at];
      if (next === undefined) throw new UsageError(`flag needs an argument: -${name}`);
      setValue(values, flag, next);
    }
  }
  return values;
}

function takeGate(values: FlagValues, name: string, inline: string | undefined): boolean {
  const gate = GATE_ALIASES[name];
  if (gate === undefined) return false;
  const value = parseBool(inline ?? 'true');
  if (value === undefined) throw new UsageError(`invalid boolean value "${inline ?? ''}" for -${name}`);
  values.gates.set(gate, value);
  values.warnings.push(`--${name} is an old spelling of --feature-gates=${gate}=${String(value)}`);
  return true;
}

function lookUp(values: FlagValues, name: string): Flag {
  const known = BY_NAME.get(name);
  if (known !== undefined) return known;
  const today = ALIASES[name];
  const flag = today === undefined ? undefined : BY_NAME.get(today);
  if (flag === undefined) throw new UsageError(`flag provided but not defined: -${name}`);
  values.warnings.push(`--${name} is an old spelling of --${flag.name}`);
  return flag;
}

/** Checks the form of one value and stores it. `source` names it in errors. */
export function setValue(values: FlagValues, flag: Flag, text: string, source = `flag -${flag.name}`): void {
  const bad = (what: string): UsageError => new UsageError(`invalid ${what} "${text}" for ${source}`);
  if (flag.kind === 'bool' && parseBool(text) === undefined) throw bad('boolean value');
  if (flag.kind === 'int' && !(/^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text)))) throw bad('value');
  if (flag.kind === 'duration' && parseDuration(text) === undefined) throw bad('duration');
  values.given.set(flag.name, text);
}

export function environmentName(flag: Flag): string {
  return `${flag.own ? 'HEXAD' : 'ETCD'}_${flag.name.toUpperCase().replaceAll('-', '_')}`;
}

/**
 * Adds what the environment says. A flag given both ways is refused, as etcd does, since it is ambiguous which is meant;
 * unknown `ETCD_` variables only warn, because platforms set them for their own ends.
 */
export function addEnvironment(values: FlagValues, env: Readonly<Record<string, string | undefined>>): void {
  const known = new Map(FLAGS.map((flag) => [environmentName(flag), flag]));
  for (const [old, today] of Object.entries(ALIASES)) {
    const flag = BY_NAME.get(today);
    if (flag !== undefined) known.set(`ETCD_${old.toUpperCase().replaceAll('-', '_')}`, flag);
  }
  for (const [name, text] of Object.entries(env)) {
    if (text === undefined || !/^(ETCD|HEXAD)_/.test(name)) continue;
    const flag = known.get(name);
    if (flag === undefined) {
      if (!IGNORED_ENVIRONMENT.has(name)) values.warnings.push(`unrecognized environment variable ${name}=${text}`);
    } else if (values.given.has(flag.name)) {
      throw new ConfigError(
        `conflicting environment variable "${name}" is shadowed by corresponding command-line flag "${flag.name}" (either unset environment variable or disable flag)`,
      );
    } else if (text !== '') setValue(values, flag, text, `environment variable ${name}`);
  }
}

const IGNORED_ENVIRONMENT = new Set([
  'ETCD_UNSUPPORTED_ARCH',
  'ETCD_VERIFY',
  'ETCD_BIN',
  'ETCD_VERSION',
  'ETCDUTL_BIN',
]);
