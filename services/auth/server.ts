import { join } from 'node:path';
import { AuthTokenError, createJwtSigner, type JwtSigner } from '../../libs/auth-token';
import { type CatalogueError, Errors, uncatalogued } from '../../libs/errors';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import { Proposer, ReadIndexer } from '../../libs/member-links';
import {
  formatAddress,
  healthHandlers,
  introspectionHandlers,
  parseAddress,
  type ProcessContext,
  type RunningProcess,
  StartError,
} from '../../libs/process';
import { type BatchCall, BatchClient, batchHandler, type BatchPeer, connect, createServer } from '../../libs/rpc';
import { startTracing, tracedBatch } from '../../libs/telemetry';
import { decodeAuthenticateRequest } from '../../proto/gen/etcdserverpb';
import {
  AUTH_PATHS,
  AuthMethod,
  decodePasswordToHash,
  decodeUserCredentials,
  encodeAuthToken,
  encodeHashedPassword,
  encodeUserCredentialsRequest,
  STORAGE_PATHS,
  StorageMethod,
  type UserCredentials,
} from '../../proto/gen/hexad';
import { type AuthConfig, authConfig } from './config';
import { Authenticator } from './authenticator';
import { PasswordPool, type Passwords } from './password-pool';

const LOGINS_MAX = 1_024;
const encoder = new TextEncoder();
/** bcrypt reads no further; Go's library, and so etcd, refuses longer ones. */
const PASSWORD_BYTES_MAX = 72;
const PASSWORD_TOO_LONG = uncatalogued('bcrypt: password length exceeds 72 bytes');

/** Starts the auth process of a member: hashes passwords and issues tokens. */
export function startAuth(context: ProcessContext): Promise<RunningProcess> {
  const settings = refusing(() => authConfig(context.config));
  const workerFile = join(__dirname, 'bcrypt-worker.js');
  const pool = new PasswordPool({ workerFile, threads: settings.hashingThreads, cost: settings.bcryptCost });
  return startAuthWith(context, settings, pool, () => pool.close());
}

/** The same with any password hashing. */
export async function startAuthWith(
  { config, logger }: ProcessContext,
  settings: AuthConfig,
  passwords: Passwords,
  closePasswords: () => Promise<void>,
): Promise<RunningProcess> {
  const signer = refusing(() => createSigner(settings));
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const raft = connect(parseAddress(config.addresses.raft), channelOptions);
  const storage = connect(parseAddress(config.addresses.storage), channelOptions);
  const readIndexes = new ReadIndexer(raft);
  const proposer = new Proposer(raft, storage);
  const reads = new BatchClient({
    channel: storage,
    path: STORAGE_PATHS.Read,
    lostError: Errors.TimeoutConnectionLost.id,
    busyError: Errors.TooManyRequests.id,
  });
  const authenticator = new Authenticator(settings, {
    readIndex: (timeoutMs) => new Promise((resolve) => readIndexes.ask(timeoutMs, resolve)),
    credentials: (name, requiredIndex) => readCredentials(reads, name, requiredIndex),
    propose: (options) => new Promise((resolve) => proposer.propose(options, resolve)),
    passwords,
    signer,
  });
  const calls = new AuthCalls(authenticator, passwords);
  const tracing = startTracing(config);
  const server = createServer({ engine: config.rpcEngine });
  server.addHandlers({
    stream: {
      [AUTH_PATHS.Calls]: batchHandler(tracedBatch(tracing, 'auth.call', (batch, peer) => calls.accept(batch, peer))),
    },
  });
  server.addHandlers(healthHandlers());
  server.addHandlers(introspectionHandlers('auth', logger, () => []));
  const address = await server.listen(parseAddress(config.addresses.auth));
  return {
    address: formatAddress(address),
    shutdown: async () => {
      for (const link of [readIndexes, proposer, reads, raft, storage]) link.close();
      await Promise.all([closePasswords(), server.close(), tracing.shutdown()]);
    },
  };
}

/** Answers the proxies' calls; bounded, since each may keep a thread busy or wait for a leader. */
class AuthCalls {
  private running = 0;

  constructor(
    private readonly authenticator: Authenticator,
    private readonly passwords: Passwords,
  ) {}

  accept(calls: readonly BatchCall[], peer: BatchPeer): void {
    for (const call of calls) {
      if (this.running >= LOGINS_MAX) peer.reply(call.id, Errors.TooManyRequests.id);
      else void this.answer(call, peer);
    }
  }

  private async answer(call: BatchCall, peer: BatchPeer): Promise<void> {
    this.running += 1;
    const result = await this.run(call);
    this.running -= 1;
    if (result instanceof Uint8Array) peer.reply(call.id, 0, result);
    else peer.reply(call.id, result.id, undefined, result.message);
  }

  private async run({ method, payload }: BatchCall): Promise<Uint8Array | CatalogueError> {
    if (method === AuthMethod.AUTH_AUTHENTICATE) {
      const { name, password } = decodeAuthenticateRequest(payload);
      const result = await this.authenticator.authenticate(name, password);
      return result.ok ? encodeAuthToken({ token: result.token }) : result.error;
    }
    if (method === AuthMethod.AUTH_HASH_PASSWORD) return this.hash(decodePasswordToHash(payload).password);
    return Errors.UnknownMethod;
  }

  private async hash(password: string): Promise<Uint8Array | CatalogueError> {
    if (encoder.encode(password).length > PASSWORD_BYTES_MAX) return PASSWORD_TOO_LONG;
    const hash = await this.passwords.hash(password);
    return hash === undefined ? Errors.TooManyRequests : encodeHashedPassword({ hash });
  }
}

function readCredentials(
  reads: BatchClient,
  name: string,
  requiredIndex: number,
): Promise<UserCredentials | undefined> {
  return new Promise((resolve) => {
    const payload = encodeUserCredentialsRequest({ name });
    reads.call(StorageMethod.STORAGE_USER_CREDENTIALS, payload, { requiredIndex }, (reply) => {
      resolve(reply.error === 0 ? decodeUserCredentials(reply.payload) : undefined);
    });
  });
}

function createSigner(settings: AuthConfig): JwtSigner | undefined {
  return settings.token.kind === 'jwt' ? createJwtSigner(settings.token) : undefined;
}

/** A wrong option is the user's to mend: one clear line, and no restart. */
function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof AuthTokenError) throw new StartError(error.message);
    throw error;
  }
}
