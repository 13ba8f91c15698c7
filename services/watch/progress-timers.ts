interface Due {
  readonly connection: number;
  readonly session: number;
  at: number;
}

/** How finely the interval is divided: one timer serves all sessions. */
const STEPS = 20;
const JITTER = 0.1;

/**
 * Tells for each session when its progress interval has passed; the interval is lengthened by up to a tenth, so that
 * sessions made together do not all report at once.
 */
export class ProgressTimers {
  private readonly sessions = new Map<string, Due>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly intervalMs: number,
    private readonly onDue: (connection: number, session: number) => void,
  ) {}

  /** Does nothing for a session that is timed already. */
  add(connection: number, session: number): void {
    const key = `${connection}/${session}`;
    if (this.sessions.has(key)) return;
    this.sessions.set(key, { connection, session, at: this.next() });
    this.timer ??= setInterval(() => this.tick(), Math.min(1_000, this.intervalMs / STEPS));
  }

  remove(connection: number, session: number): void {
    this.sessions.delete(`${connection}/${session}`);
    this.stopIfIdle();
  }

  removeConnection(connection: number): void {
    for (const [key, due] of this.sessions) if (due.connection === connection) this.sessions.delete(key);
    this.stopIfIdle();
  }

  close(): void {
    this.sessions.clear();
    this.stopIfIdle();
  }

  private stopIfIdle(): void {
    if (this.sessions.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    const now = performance.now();
    for (const due of this.sessions.values()) {
      if (due.at > now) continue;
      due.at = this.next();
      this.onDue(due.connection, due.session);
    }
  }

  private next(): number {
    return performance.now() + this.intervalMs * (1 + JITTER * Math.random());
  }
}
