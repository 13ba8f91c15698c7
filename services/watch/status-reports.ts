const REPORT_MS = 1_000;

/** Reports to the proxies every second while there are any. */
export class StatusReports {
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly report: () => void) {}

  receivers(count: number): void {
    if (count === 0) this.close();
    else this.timer ??= setInterval(this.report, REPORT_MS);
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
