import {
  addEnvironment,
  type FlagValues,
  type MemberConfig,
  memberConfig,
  parseArguments,
  readConfigFile,
} from '../../libs/config';
import { createLogger, type Logger, failpointEnvironment, openLogSink, serveFailpoints } from '../../libs/process';
import { generateCertificates } from './auto-tls';
import { prepareDirectories, removeRunDirectory } from './data-directory';
import { MemberFailpoints } from './failpoints';
import { refuseSecondBeginning, withJoinedIdentity } from './join';
import { withRecordedIdentity } from './recorded-identity';
import { type ProcessRow, Supervisor, type SupervisorEvents } from './supervisor';

/** Reads the command line, or the file it names, and the environment. Throws UsageError and ConfigError. */
export function readConfig(argv: readonly string[], env: NodeJS.ProcessEnv): MemberConfig {
  const flags = parseArguments(argv);
  const file = flags.given.get('config-file') ?? env['ETCD_CONFIG_FILE'];
  const values: FlagValues = file === undefined ? flags : readConfigFile(file);
  if (file === undefined) addEnvironment(values, env);
  return memberConfig(values);
}

export interface MemberEvents {
  onReady(rows: readonly ProcessRow[]): void;
  onEnd(code: number, reason: string | undefined): void;
}

/**
 * Starts a member under this process; the caller decides what signals do. `env`: `GOFAIL_FAILPOINTS` and `GOFAIL_HTTP` make it
 * one that can be made to fail. Throws StartError.
 */
export async function startMember(
  wanted: MemberConfig,
  events: MemberEvents,
  env: NodeJS.ProcessEnv,
): Promise<Supervisor> {
  const config = await withJoinedIdentity(withRecordedIdentity(wanted));
  await refuseSecondBeginning(config);
  const sink = openLogSink(config.log);
  const logger = createLogger('member', config.log.level, config.name, sink);
  for (const warning of config.warnings) logger.warn(warning);
  prepareDirectories(config);
  await generateCertificates(config);
  const failpoints = await memberFailpoints(env, logger);
  const supervisorEvents: SupervisorEvents = {
    onReady: (rows) => {
      logger.info({ clientUrls: config.urls.listenClient }, 'ready to serve client requests');
      events.onReady(rows);
    },
    // Children's lines leave through us, whole, so that they never interleave.
    onLog: (line) => sink.write(line),
    onEnd: (code, reason) => {
      removeRunDirectory(config);
      events.onEnd(code, reason);
    },
  };
  const supervisor = new Supervisor(config, logger, supervisorEvents, failpoints);
  supervisor.start();
  return supervisor;
}

async function memberFailpoints(env: NodeJS.ProcessEnv, logger: Logger): Promise<MemberFailpoints | undefined> {
  const asked = failpointEnvironment(env);
  if (asked === undefined) return undefined;
  const failpoints = new MemberFailpoints(asked.settings);
  logger.warn({ set: asked.settings, http: asked.http }, 'failpoints can be set: this member can be made to fail');
  if (asked.http !== undefined) (await serveFailpoints(asked.http, failpoints)).unref();
  return failpoints;
}
