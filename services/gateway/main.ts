import { ConfigError } from '../../libs/config';
import { createLogger, openLogSink, StartError } from '../../libs/process';
import { formatHostPort, gatewayConfig, GatewayUsage } from './config';
import { Gateway } from './server';

/** `hexad gateway start`. */
async function main(argv: readonly string[]): Promise<void> {
  const config = gatewayConfig(argv);
  const logger = createLogger('gateway', config.log.level, '', openLogSink(config.log));
  for (const warning of config.warnings) logger.warn(warning);
  const gateway = new Gateway(config, logger);
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    void gateway.drain(config.drainTimeoutMs).then(() => process.exit(0));
  };
  const listens = await gateway.start();
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  logger.info(
    { address: formatHostPort(listens), endpoints: config.endpoints.map(formatHostPort) },
    'ready to proxy client requests',
  );
}

main(process.argv.slice(3)).catch((error: unknown) => {
  if (error instanceof GatewayUsage) process.exit(error.exitCode);
  if (!(error instanceof ConfigError) && !(error instanceof StartError)) throw error;
  process.stderr.write(`hexad gateway: ${error.message}\n`);
  process.exit(1);
});
