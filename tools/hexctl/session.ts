import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Client, type ClientOptions } from '../../libs/client';
import { parseDuration } from '../../libs/config';
import { ExitCode, Failure } from './failure';

/** etcdctl's global flags. */
export interface Global {
  readonly endpoints: string;
  readonly writeOut: string;
  readonly hex?: boolean;
  readonly dialTimeout: string;
  readonly commandTimeout: string;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly authJwtToken?: string;
  readonly timing?: boolean;
}

const FORMATS = ['simple', 'json', 'table'];

export function globalOf(program: Command): Global {
  const options = program.opts<Global>();
  if (!FORMATS.includes(options.writeOut)) {
    throw new Failure(`unsupported output format: ${options.writeOut}`, ExitCode.BAD_FEATURE);
  }
  return options;
}

export function endpointsOf({ endpoints }: Global): string[] {
  return endpoints
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** A client of each endpoint. The caller closes them. */
export function clientsOf(global: Global): { readonly endpoint: string; readonly client: Client }[] {
  return endpointsOf(global).map((endpoint) => ({ endpoint, client: new Client(optionsOf(global, endpoint)) }));
}

/**
 * Runs `use` with a client of the first endpoint that answers. Only a member that could not be reached at all is passed
 * over: then nothing was sent.
 */
export async function withClient<T>(global: Global, use: (client: Client) => Promise<T>): Promise<T> {
  let last: unknown;
  for (const { client } of clientsOf(global)) {
    try {
      return await use(client);
    } catch (error) {
      last = error;
      if (!/^connection error|connect(ion)? refused/i.test(error instanceof Error ? error.message : '')) throw error;
    } finally {
      client.close();
    }
  }
  throw last;
}

function optionsOf(global: Global, endpoint: string): ClientOptions {
  const timeoutMs = parseDuration(global.commandTimeout);
  if (timeoutMs === undefined || timeoutMs <= 0) {
    throw new Failure(`invalid duration "${global.commandTimeout}" for --command-timeout`, ExitCode.BAD_ARGS);
  }
  const { cacert, cert, key, insecureSkipTlsVerify, authJwtToken, timing } = global;
  const usesTls = [cacert, cert, key, insecureSkipTlsVerify].some((value) => value !== undefined);
  const tls = {
    ...(cacert === undefined ? {} : { ca: readFileSync(cacert) }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
    ...(insecureSkipTlsVerify === true ? { insecureSkipVerify: true } : {}),
  };
  const user = userOf(global);
  return {
    endpoint,
    timeoutMs,
    ...(usesTls ? { tls } : {}),
    ...(user === undefined ? {} : { user }),
    ...(authJwtToken === undefined ? {} : { token: authJwtToken }),
    ...(timing === true ? { timing } : {}),
  };
}

function userOf({ user, password }: Global): ClientOptions['user'] {
  if (user === undefined) return undefined;
  const colon = user.indexOf(':');
  if (password !== undefined) return { name: user, password };
  if (colon < 0) throw new Failure('the password is missing: --user name:password or --password', ExitCode.BAD_ARGS);
  return { name: user.slice(0, colon), password: user.slice(colon + 1) };
}
