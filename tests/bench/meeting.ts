/** Where so many wait for each other. */
export class Meeting {
  private readonly waiting: (() => void)[] = [];

  constructor(private missing: number) {}

  /** Resolves when all have come. */
  arrive(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.missing -= 1;
      if (this.missing <= 0) this.callOff();
    });
  }

  /** One does not come: the others go on without it. */
  callOff(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
    this.missing = 0;
  }
}
