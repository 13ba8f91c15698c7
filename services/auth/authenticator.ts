import type { JwtSigner } from '../../libs/auth-token';
import { type CatalogueError, Errors, uncatalogued } from '../../libs/errors';
import type { ProposalOptions, ProposalOutcome, ReadIndexResult } from '../../libs/member-links';
import { encodeTokenAssign, EntryKind, type UserCredentials } from '../../proto/gen/hexad';
import type { AuthConfig } from './config';
import { LoginThrottle } from './login-throttle';
import type { Passwords } from './password-pool';
import { randomTokenPrefix } from './tokens';

const VERIFY_ONLY = 'auth: token signing attempted with verify-only key';
/** Throttle slate of all names that don't exist; no user can have it, since names are not empty. */
const UNKNOWN_USER = '';
const RETRY_MS = 50;
const decoder = new TextDecoder();

export type TokenResult =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly error: CatalogueError };

export interface AuthenticatorLinks {
  readIndex(timeoutMs: number): Promise<ReadIndexResult>;
  /** Undefined: storage could not be asked. */
  credentials(name: string, requiredIndex: number): Promise<UserCredentials | undefined>;
  propose(options: ProposalOptions): Promise<ProposalOutcome>;
  readonly passwords: Passwords;
  /** Undefined for simple tokens, or when tokens can only be verified. */
  readonly signer: JwtSigner | undefined;
}

type Checked =
  | { readonly kind: 'ok'; readonly authRevision: number }
  | { readonly kind: 'refused'; readonly error: CatalogueError }
  | { readonly kind: 'again'; readonly error: CatalogueError };

type Issued = { readonly kind: 'ok'; readonly token: string } | Exclude<Checked, { kind: 'ok' }>;

/**
 * Password logins: credentials as of now (after a ReadIndex), bcrypt off this thread, then a token that is either assigned
 * through the log (simple) or signed (JWT). What only failed because a sibling was away, or because the auth records
 * changed meanwhile, is done again until the time is over.
 */
export class Authenticator {
  private readonly throttle = new LoginThrottle();
  private readonly comparisons = new Map<string, Promise<Checked>>();

  constructor(
    private readonly config: AuthConfig,
    private readonly links: AuthenticatorLinks,
  ) {}

  async authenticate(name: string, password: string): Promise<TokenResult> {
    const deadline = performance.now() + this.config.requestTimeoutMs;
    let verified = false;
    for (;;) {
      const checked = await this.check(name, password, deadline, verified);
      const issued = checked.kind === 'ok' ? await this.issue(name, checked.authRevision, deadline) : checked;
      if (issued.kind === 'ok') return { ok: true, token: issued.token };
      if (issued.kind === 'refused' || performance.now() >= deadline) return { ok: false, error: issued.error };
      // The password was right a moment ago; it is compared again only if the records have changed since.
      verified = checked.kind === 'ok' && issued.error !== Errors.AuthOldRevision;
      await pause();
    }
  }

  private async check(name: string, password: string, deadline: number, verified: boolean): Promise<Checked> {
    const read = await this.links.readIndex(Math.max(1, deadline - performance.now()));
    if (!read.ok) return { kind: 'again', error: read.error };
    const user = await this.links.credentials(name, read.index);
    if (user === undefined) return { kind: 'again', error: Errors.Timeout };
    if (!user.authEnabled) return refused(Errors.AuthNotEnabled);
    if (user.noPassword) return refused(Errors.NoPasswordUser);
    const { authRevision } = user;
    return verified ? { kind: 'ok', authRevision } : this.compare(name, password, user);
  }

  /** Logins of one user with one password that arrive together share a comparison: a storm of clients costs one. */
  private compare(name: string, password: string, user: UserCredentials): Promise<Checked> {
    const hash = user.found ? decoder.decode(user.passwordHash) : nobodysHash(this.config.bcryptCost);
    const same = [name, hash, password].join('\0');
    let running = this.comparisons.get(same);
    if (running === undefined) {
      running = this.compareOnce(user.found ? name : UNKNOWN_USER, password, hash, user);
      this.comparisons.set(same, running);
      void running.then(() => this.comparisons.delete(same));
    }
    return running;
  }

  private async compareOnce(slate: string, password: string, hash: string, user: UserCredentials): Promise<Checked> {
    if (!this.throttle.begin(slate, performance.now())) return refused(Errors.TooManyRequests);
    const matches = await this.links.passwords.verify(password, hash);
    const right = matches === true && user.found;
    this.throttle.finish(slate, right);
    if (matches === undefined) return refused(Errors.TooManyRequests);
    return right ? { kind: 'ok', authRevision: user.authRevision } : refused(Errors.AuthFailed);
  }

  private async issue(user: string, authRevision: number, deadline: number): Promise<Issued> {
    if (this.config.token.kind === 'simple') return this.assign(user, authRevision, deadline);
    if (this.links.signer === undefined) return refused(uncatalogued(VERIFY_ONLY));
    const token = await this.links.signer.sign({ username: user, revision: authRevision }, Date.now());
    return { kind: 'ok', token };
  }

  /** Through the log, so that every member's proxies know the token. */
  private async assign(user: string, authRevision: number, deadline: number): Promise<Issued> {
    const token = randomTokenPrefix();
    const outcome = await this.links.propose({
      kind: EntryKind.ENTRY_TOKEN_ASSIGN,
      body: encodeTokenAssign({ user, token, authRevision }),
      timeoutMs: Math.max(1, deadline - performance.now()),
    });
    if (outcome.kind === 'applied') {
      if (outcome.error === undefined) return { kind: 'ok', token: `${token}${outcome.index}` };
      const again = outcome.error === Errors.AuthOldRevision;
      return { kind: again ? 'again' : 'refused', error: outcome.error };
    }
    // A token nobody was told is harmless, so an unknown outcome may be followed by another attempt.
    return { kind: 'again', error: outcome.error };
  }
}

/** A well-formed hash that is compared when there is no such user, so that the time does not tell. */
function nobodysHash(cost: number): string {
  return `$2a$${String(cost).padStart(2, '0')}$${'a'.repeat(22)}${'b'.repeat(31)}`;
}

function refused(error: CatalogueError): { readonly kind: 'refused'; readonly error: CatalogueError } {
  return { kind: 'refused', error };
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, RETRY_MS);
  });
}
