import { Errors } from '../../libs/errors';
import type { History, Operation, Outcome, Request } from '../linearizability';
import type { MemberClient } from './client';
import { decodeAnswer, encodeRequest } from './wire';

export type Performed =
  | (Outcome & { readonly kind: 'ok' })
  /** `retry`: nothing happened and the member may answer later; else the request itself was refused. */
  | { readonly kind: 'failed'; readonly definite: boolean; readonly message: string };

/** Writes down what clients ask and are answered. */
export class Recorder {
  readonly operations: Operation[] = [];
  readonly errors = new Map<string, number>();
  /** TTL in seconds of each lease that was granted. */
  readonly leases = new Map<string, number>();
  answered = 0;
  private nextId = 1;

  /** @param disguised reads are asked for as serializable and written down as linearizable: a canary */
  constructor(private readonly disguised = false) {}

  get history(): History {
    return { start: { revision: 1, kvs: [] }, operations: this.operations };
  }

  async perform(name: string, client: MemberClient, request: Request, timeoutMs: number): Promise<Performed> {
    const asked = this.disguised && request.kind === 'range' ? { ...request, serializable: true } : request;
    const { path, bytes } = encodeRequest(asked);
    const call = performance.now();
    const answer = await client.call(path, bytes, timeoutMs);
    const end = performance.now();
    if (answer.ok) {
      const { header, result } = decodeAnswer(request, answer.bytes);
      const outcome = { kind: 'ok' as const, revision: Number(header?.revision ?? 0), result };
      this.answered += 1;
      this.add(name, call, end, request, outcome);
      return outcome;
    }
    const { message, definite } = answer;
    const kind = message.replaceAll(/\d+(\.\d+)+(:\d+)?/g, '…'); // addresses and times
    this.errors.set(kind, (this.errors.get(kind) ?? 0) + 1);
    if (message === Errors.Compacted.message) this.add(name, call, end, request, { kind: 'compacted' });
    else if (message === Errors.FutureRev.message) this.add(name, call, end, request, { kind: 'future' });
    else if (!definite) this.add(name, call, Infinity, request, { kind: 'unknown' });
    return { kind: 'failed', definite, message };
  }

  /** A lease that was perhaps granted at `grantedAt` may expire from then on its TTL later, and delete its keys. */
  mayExpire(lease: string, grantedAt: number, ttlSeconds: number): void {
    this.leases.set(lease, ttlSeconds);
    this.add('expiry', grantedAt + ttlSeconds * 1_000, Infinity, { kind: 'revoke', lease }, { kind: 'unknown' });
  }

  private add(client: string, call: number, end: number, request: Request, outcome: Outcome): void {
    this.operations.push({ id: this.nextId++, client, call, return: end, request, outcome });
  }
}
