import type { FeedToken } from '../../../proto/gen/hexad';

interface TokenEntry {
  readonly user: string;
  expiresAt: number;
}

/**
 * The simple tokens that the log has assigned, as storage feeds them. Each use moves a token's end `ttlMs` away, as in
 * etcd; a token ends on each member by its own clock.
 */
export class TokenTable {
  private readonly tokens = new Map<string, TokenEntry>();

  constructor(private readonly ttlMs: number) {}

  get size(): number {
    return this.tokens.size;
  }

  apply(changes: readonly FeedToken[], replaceAll: boolean, now: number): void {
    if (replaceAll) this.keepOnly(changes);
    for (const change of changes) this.applyOne(change, now);
  }

  clear(): void {
    this.tokens.clear();
  }

  /** The user of a living token, whose life it renews; undefined: unknown or over. */
  use(token: string, now: number): string | undefined {
    const entry = this.tokens.get(token);
    if (entry === undefined) return undefined;
    if (entry.expiresAt <= now) {
      this.tokens.delete(token);
      return undefined;
    }
    entry.expiresAt = now + this.ttlMs;
    return entry.user;
  }

  sweep(now: number): void {
    for (const [token, entry] of this.tokens) if (entry.expiresAt <= now) this.tokens.delete(token);
  }

  /** A snapshot of the feed replaces the table, but a token that stays keeps the life it has left. */
  private keepOnly(snapshot: readonly FeedToken[]): void {
    const alive = new Set(snapshot.map((token) => token.token));
    for (const token of this.tokens.keys()) if (!alive.has(token)) this.tokens.delete(token);
  }

  private applyOne(change: FeedToken, now: number): void {
    if (change.revokeAll) this.tokens.clear();
    else if (change.revokeUser) this.revokeUser(change.user);
    else if (!this.tokens.has(change.token)) {
      this.tokens.set(change.token, { user: change.user, expiresAt: now + this.ttlMs });
    }
  }

  private revokeUser(user: string): void {
    for (const [token, entry] of this.tokens) if (entry.user === user) this.tokens.delete(token);
  }
}

/** The log index that etcd's simple tokens end with (`abcdefghijklmnop.42`); undefined: not of that form. */
export function tokenIndex(token: string): number | undefined {
  const dot = token.indexOf('.');
  if (dot < 0) return undefined;
  const digits = token.slice(dot + 1);
  if (!/^\d{1,16}$/.test(digits)) return undefined;
  const index = Number(digits);
  return Number.isSafeInteger(index) ? index : undefined;
}
