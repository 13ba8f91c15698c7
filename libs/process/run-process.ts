import { readFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { ProcessConfig, ProcessName } from '../config/process-config';
import { failpointEnvironment, followSupervisor, hostOwnFailpoints } from './failpoints';
import { useInternalTls } from './internal-tls';
import { ownFamilies } from './introspection';
import { createLogger, type Logger } from './logger';
import { openLogSink } from './logging';
import { listenForScrapes } from './metrics-listener';
import { StartError } from './start-error';

/** Exit code of a process that refuses to start; the supervisor then ends the member instead of restarting. */
export const EXIT_REFUSED = 3;
/** Exit code after a broken invariant or a failed disk; the supervisor restarts the process. */
export const EXIT_FATAL = 1;
/** Exit code of a process that wants to begin anew, though nothing is wrong; the supervisor does not count it as a death. */
export const EXIT_RESTART = 4;
/** Exit code of a process whose member has no place in its cluster any more; the member then ends, without a failure. */
export const EXIT_REMOVED = 5;
const CONFIG_FD = 3;
const READY_FD = 4;

export interface ProcessContext {
  readonly config: ProcessConfig;
  readonly logger: Logger;
  /**
   * Ends the process at once, without flushing anything: for broken invariants and failed disks. A `StartError` is
   * what a restart would not mend, found only after the start: the member ends with it.
   */
  fatal(error: unknown): never;
}

/** What a process that holds the member's data can end by besides. */
export interface DataProcessContext extends ProcessContext {
  /** Ends the process at once, to be started anew: it has prepared what it is to begin with. */
  restart(reason: string): never;
  /** Ends the member: it was removed from its cluster. */
  removed(reason: string): never;
}

export interface RunningProcess {
  /** Shown in the table of processes. */
  readonly address: string;
  /** Stops in order: no new work, finish what runs, flush. Bounded by the caller. */
  shutdown(): Promise<void>;
}

/**
 * The frame of every process: reads its configuration, starts it, tells the supervisor, and ends it on SIGTERM or when
 * the supervisor is gone. A child started by `bin/hexad` gets its configuration on descriptor 3, which stays open as
 * long as the parent lives; alone it takes `--config-json FILE`.
 */
export function runProcess(name: ProcessName, start: (context: DataProcessContext) => Promise<RunningProcess>): void {
  process.on('SIGINT', () => undefined); // Ctrl-C goes to the whole group; the supervisor decides the order
  const file = argumentAfter('--config-json');
  if (file !== undefined) {
    void host(name, JSON.parse(readFileSync(file, 'utf8')) as ProcessConfig, start, false);
    return;
  }
  readConfig((config) => void host(name, config, start, true));
}

/** What comes on descriptor 3 behind the configuration: orders for failpoints, if those are in use. */
let takeOrders: (bytes: Buffer) => void = () => undefined;

function argumentAfter(flag: string): string | undefined {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
}

/** Calls back with the first line of descriptor 3; end of file means that the parent is gone. */
function readConfig(onConfig: (config: ProcessConfig) => void): void {
  const parent = new Socket({ fd: CONFIG_FD, readable: true, writable: false });
  const chunks: Buffer[] = [];
  let done = false;
  parent.on('data', (chunk: Buffer) => {
    if (done) return takeOrders(chunk);
    chunks.push(chunk);
    const end = chunk.indexOf(0x0a);
    if (end < 0) return;
    done = true;
    const all = Buffer.concat(chunks);
    const lineBytes = all.length - chunk.length + end;
    onConfig(JSON.parse(all.toString('utf8', 0, lineBytes)) as ProcessConfig);
    if (all.length > lineBytes + 1) takeOrders(all.subarray(lineBytes + 1));
  });
  const gone = (): void => parentGone();
  parent.on('end', gone);
  parent.on('error', gone);
  parent.on('close', gone);
}

function parentGone(): never {
  process.exit(EXIT_FATAL);
}

/**
 * lmdb-js rejects promises of its own beside the one that a failed commit's caller awaits; they carry the same `commitError`,
 * and the caller decides what becomes of it.
 */
function isFollowUp(reason: unknown): boolean {
  return reason instanceof Error && 'commitError' in reason;
}

async function host(
  name: ProcessName,
  config: ProcessConfig,
  start: (context: DataProcessContext) => Promise<RunningProcess>,
  supervised: boolean,
): Promise<void> {
  const refuse = (reason: string): never => {
    tell(supervised, { ready: false, error: reason });
    if (!supervised) process.stderr.write(`hexad ${name}: ${reason}\n`);
    process.exit(supervised ? EXIT_REFUSED : 1);
  };
  const logger = openLogger(name, config, supervised, refuse);
  const fatal = (error: unknown): never => {
    const refusal = refusalOf(error);
    if (refusal !== undefined) return refuse(refusal);
    logger.fatal({ err: describe(error) }, 'process ends');
    process.exit(EXIT_FATAL);
  };
  const restart = (reason: string): never => {
    logger.info({ reason }, 'process starts anew');
    process.exit(EXIT_RESTART);
  };
  const removed = (reason: string): never => {
    logger.warn({ reason }, 'the data-dir used by this member must be removed');
    process.exit(supervised ? EXIT_REMOVED : 0);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', (reason) => {
    if (!isFollowUp(reason)) fatal(reason);
  });
  try {
    if (!supervised) await hostFailpointsAlone(name, logger);
    else if (config.failpoints !== undefined) {
      const { failpoints: settings } = config;
      const fds = { ordersFd: CONFIG_FD, repliesFd: READY_FD };
      takeOrders = followSupervisor({ settings, logger, ...fds, onParentGone: parentGone });
    }
    useInternalTls(config.internalTls, name);
    const running = await start({ config, logger, fatal, restart, removed });
    // In a member those are the proxy's, which tells of all six; a proxy has its own.
    if (!supervised && name !== 'proxy')
      await listenForScrapes(config.urls.listenMetrics, config.rpcEngine, ownFamilies);
    stopOnTerm(running, logger);
    tell(supervised, { ready: true, address: running.address });
  } catch (error) {
    fatal(error);
  }
}

function openLogger(
  name: ProcessName,
  { log, name: member }: ProcessConfig,
  supervised: boolean,
  refuse: (reason: string) => never,
): Logger {
  if (supervised) return createLogger(name, log.level, member);
  try {
    return createLogger(name, log.level, member, openLogSink(log));
  } catch (error) {
    if (error instanceof StartError) return refuse(error.message);
    throw error;
  }
}

async function hostFailpointsAlone(name: ProcessName, logger: Logger): Promise<void> {
  const asked = failpointEnvironment(process.env);
  if (asked !== undefined) await hostOwnFailpoints(name, asked, logger);
}

/** Why a restart would not help, in one line; undefined: nobody foresaw this error. */
function refusalOf(error: unknown): string | undefined {
  if (error instanceof StartError) return error.message;
  // Listening was retried long enough for a predecessor to end, so another member has these sockets.
  const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
  return code === 'EADDRINUSE' ? `${message}: does another member use this data directory or address?` : undefined;
}

function stopOnTerm(running: RunningProcess, logger: Logger): void {
  let stopping = false;
  process.on('SIGTERM', () => {
    if (stopping) return;
    stopping = true;
    running.shutdown().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: describe(error) }, 'shutdown failed');
        process.exit(EXIT_FATAL);
      },
    );
  });
}

function tell(supervised: boolean, message: object): void {
  if (supervised) writeSync(READY_FD, `${JSON.stringify(message)}\n`);
}

function describe(error: unknown): { message: string; stack: string | undefined } {
  return error instanceof Error
    ? { message: error.message, stack: error.stack }
    : { message: String(error), stack: undefined };
}
