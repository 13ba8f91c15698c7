import type { Backend, Backends } from './backends';
import { dial } from './dial';

export interface ProberOptions {
  readonly backends: Backends;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly onUp: (backend: Backend) => void;
  readonly onDown: (backend: Backend, reason: string) => void;
  /** Nobody has answered for some time, not even with a refusal: what is open to it waits in vain. */
  readonly onSilent: (backend: Backend) => void;
}

/** One lost packet is no silence. */
const SILENCES = 2;

/** Asks every backend now and then whether it accepts connections. */
export class Prober {
  private readonly timer: NodeJS.Timeout;
  private isProbing = false;

  constructor(private readonly options: ProberOptions) {
    this.timer = setInterval(() => void this.probeAll(), options.intervalMs);
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async probeAll(): Promise<void> {
    if (this.isProbing) return;
    this.isProbing = true;
    await Promise.all(this.options.backends.all.map((backend) => this.probe(backend)));
    this.isProbing = false;
  }

  private async probe(backend: Backend): Promise<void> {
    const { backends, timeoutMs, onUp, onDown, onSilent } = this.options;
    const outcome = await dial(backend, timeoutMs);
    if ('socket' in outcome) {
      outcome.socket.on('error', () => undefined);
      outcome.socket.destroy();
      if (backends.markUp(backend)) onUp(backend);
      return;
    }
    backend.silences = outcome.failure === 'silent' ? backend.silences + 1 : 0;
    // One that has just accepted others is busy rather than gone.
    if (outcome.failure === 'silent' && backend.silences < SILENCES) return;
    if (backends.markDown(backend, Number.POSITIVE_INFINITY)) onDown(backend, outcome.reason);
    if (backend.silences === SILENCES) onSilent(backend);
  }
}
