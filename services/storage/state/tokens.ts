export interface AssignedToken {
  readonly token: string;
  readonly user: string;
  readonly authRevision: number;
}

const TOKENS_MAX = 50_000;

/**
 * Simple tokens the log has assigned, for processes that subscribe later. They are not stored, as in etcd; the oldest go
 * when there are too many, and their holders authenticate again.
 */
export class TokenTable {
  private readonly tokens = new Map<string, AssignedToken>();

  constructor(private readonly countMax: number = TOKENS_MAX) {}

  assign(token: AssignedToken): void {
    this.tokens.delete(token.token);
    this.tokens.set(token.token, token);
    if (this.tokens.size <= this.countMax) return;
    for (const oldest of this.tokens.keys()) {
      this.tokens.delete(oldest);
      return;
    }
  }

  revokeUser(user: string): void {
    for (const [token, assigned] of this.tokens) if (assigned.user === user) this.tokens.delete(token);
  }

  revokeAll(): void {
    this.tokens.clear();
  }

  values(): IterableIterator<AssignedToken> {
    return this.tokens.values();
  }
}
