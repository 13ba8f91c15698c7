import { Errors, type RpcError } from '../../../libs/errors';
import type { ConnectionInfo } from '../../../libs/rpc';
import type { FeedToken } from '../../../proto/gen/hexad';
import { createIdentity, type Identity, NOBODY } from '../identity';
import { Limits } from '../limits';
import type { MemberView } from '../member-view';
import type { CallMetadata } from './call-metadata';
import type { JwtVerifier } from '../../../libs/auth-token';
import { TokenTable, tokenIndex } from './tokens';

export type Resolution = Identity | RpcError;

export function isRefused(resolution: Resolution): resolution is RpcError {
  return 'code' in resolution;
}

export interface AuthenticatorOptions {
  readonly view: MemberView;
  readonly tokenTtlMs: number;
  /** Undefined: simple tokens. */
  readonly jwt: JwtVerifier | undefined;
  readonly timeoutMs: number;
  readonly now: () => number;
  readonly wallClock: () => number;
}

/** Says who a call acts as: by its token, else by the verified client certificate. */
export class Authenticator {
  readonly tokens: TokenTable;
  /** Identities at the current auth revision, so that a user's calls share one. */
  private readonly identities = new Map<string, Identity>();
  private identitiesRevision = -1;

  constructor(private readonly options: AuthenticatorOptions) {
    this.tokens = new TokenTable(options.tokenTtlMs);
  }

  applyTokens(changes: readonly FeedToken[], replaceAll: boolean): void {
    this.tokens.apply(changes, replaceAll, this.options.now());
  }

  authDisabled(): void {
    this.tokens.clear();
  }

  /** Undefined: the token may be one that has not been applied here yet; `wait` then says. */
  resolve({ token }: CallMetadata, connection: ConnectionInfo): Resolution | undefined {
    const { view } = this.options;
    if (token === undefined) {
      if (!view.authEnabled) return NOBODY;
      const name = connection.clientCommonName;
      return name === undefined || name === '' ? Errors.UserEmpty : this.identity(name, view.authRevision);
    }
    if (this.options.jwt !== undefined) return view.authEnabled ? this.byJwt(this.options.jwt, token) : NOBODY;
    const user = this.tokens.use(token, this.options.now());
    if (user !== undefined) return view.authEnabled ? this.identity(user, view.authRevision) : NOBODY;
    if (this.isAhead(token)) return undefined;
    return view.authEnabled ? Errors.InvalidAuthToken : NOBODY;
  }

  /** As `resolve`, once the token's entry has been applied here or can't be any more. */
  wait(metadata: CallMetadata, connection: ConnectionInfo, callback: (resolution: Resolution) => void): void {
    const { view, timeoutMs, now } = this.options;
    const index = tokenIndex(metadata.token ?? '') ?? 0;
    if (view.waiterCount >= Limits.tokenWaitersMax) {
      callback(Errors.TooManyRequests);
      return;
    }
    view.whenApplied(index, now() + timeoutMs, (reached) => {
      const resolution = reached ? this.resolve(metadata, connection) : undefined;
      callback(resolution ?? Errors.InvalidAuthToken);
    });
  }

  sweep(now: number): void {
    this.tokens.sweep(now);
  }

  /** Issued by an entry that this member has not applied yet, by its index suffix. */
  private isAhead(token: string): boolean {
    const index = tokenIndex(token);
    return index !== undefined && index > this.options.view.feedAppliedIndex;
  }

  private byJwt(jwt: JwtVerifier, token: string): Resolution {
    const claims = jwt.verify(token, this.options.wallClock());
    return claims === undefined ? Errors.InvalidAuthToken : createIdentity(claims.username, claims.revision);
  }

  private identity(user: string, authRevision: number): Identity {
    if (this.identitiesRevision !== authRevision) {
      this.identities.clear();
      this.identitiesRevision = authRevision;
    }
    let identity = this.identities.get(user);
    if (identity === undefined) {
      identity = createIdentity(user, authRevision);
      this.identities.set(user, identity);
    }
    return identity;
  }
}
