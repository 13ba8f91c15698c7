import { get } from 'node:http';
import { PROCESS_NAMES, type MemberConfig, type ProcessName, UsageError } from '../../libs/config';
import { parseAddress, StartError, useInternalTls } from '../../libs/process';
import { connect } from '../../libs/rpc';
import { decodeHealthCheckResponse, encodeHealthCheckRequest } from '../../proto/gen/grpc_health_v1';
import { readConfig } from './member';

const TIMEOUT_MS = 3_000;
const SERVING = 1;

/**
 * `hexad health NAME [flags]`: asks the process that these flags describe how it does, for health checks of container engines.
 *
 * @throws StartError with one line when it does not serve
 */
export async function checkHealth(argv: readonly string[]): Promise<void> {
  const [name = '', ...flags] = argv;
  const known = PROCESS_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new UsageError(`unknown process "${name}": expected ${PROCESS_NAMES.join(', ')}`);
  const config = readConfig(flags, process.env);
  if (known === 'proxy') await askProxy(config);
  else await askProcess(config, known);
  process.exit(0);
}

function askProcess(config: MemberConfig, name: ProcessName): Promise<void> {
  useInternalTls(config.internalTls, name);
  const channel = connect(parseAddress(config.addresses[name]), { engine: config.rpcEngine });
  return new Promise((resolve, reject) => {
    const request = encodeHealthCheckRequest({});
    channel.unary('/grpc.health.v1.Health/Check', request, { timeoutMs: TIMEOUT_MS }, (result) => {
      if (!result.ok) reject(new StartError(`${name} at ${config.addresses[name]}: ${result.error.message}`));
      else if (Number(decodeHealthCheckResponse(result.response).status) === SERVING) resolve();
      else reject(new StartError(`${name} at ${config.addresses[name]} does not serve`));
    });
  });
}

/** A proxy is asked where it answers without certificates: --listen-metrics-urls. */
function askProxy(config: MemberConfig): Promise<void> {
  const url = [...config.urls.listenMetrics, ...config.urls.listenClient].find((one) => one.startsWith('http:'));
  if (url === undefined) throw new StartError('the proxy needs an http:// URL in --listen-metrics-urls to be asked at');
  const target = new URL('/readyz', url.replace('//0.0.0.0:', '//127.0.0.1:'));
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(new StartError(`proxy at ${target.href}: ${reason}`));
    const request = get(target, { timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else fail(`HTTP status ${String(response.statusCode)}`);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    request.on('error', (error) => fail(error.message));
  });
}
