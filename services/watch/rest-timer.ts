/** Tells when nobody has watched for a while. */
export class RestTimer {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly afterMs: number,
    private readonly onRest: () => void,
  ) {}

  /** Called whenever the number of watchers may have changed. */
  watchers(count: number): void {
    if (count > 0) this.stop();
    else if (this.timer === undefined) this.start();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private start(): void {
    // Kept when it has fired: without watchers it need not fire again.
    this.timer = setTimeout(this.onRest, this.afterMs);
    this.timer.unref();
  }
}
