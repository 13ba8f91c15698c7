import { availableParallelism } from 'node:os';
import { type AuthTokenSpec, parseAuthToken } from '../../libs/auth-token';
import type { ProcessConfig } from '../../libs/config';
import { requestTimeoutMs } from '../../libs/limits';

export interface AuthConfig {
  /** How long an authentication may wait for a leader, a read or its token's entry. */
  readonly requestTimeoutMs: number;
  /** bcrypt's work factor, 4–31: each step doubles the time. */
  readonly bcryptCost: number;
  readonly token: AuthTokenSpec;
  readonly hashingThreads: number;
}

const HASHING_THREADS_MAX = 4;

/** @throws AuthTokenError for an `--auth-token` that can't be used */
export function authConfig(config: ProcessConfig): AuthConfig {
  return {
    requestTimeoutMs: requestTimeoutMs(config.timing.electionMs),
    bcryptCost: config.auth.bcryptCost,
    token: parseAuthToken(config.auth.token),
    // One core is left to the rest of the member, whose requests must not wait for logins.
    hashingThreads: Math.min(HASHING_THREADS_MAX, Math.max(1, availableParallelism() - 1)),
  };
}
