import {
  decodeLeaseGrantResponse,
  encodeLeaseGrantRequest,
  encodeLeaseKeepAliveRequest,
  LEASE_PATHS,
} from '../../proto/gen/etcdserverpb';
import type { Request, TxnOperation } from '../linearizability';
import { MemberClient } from './client';
import type { Random } from './disk/random';
import type { Recorder } from './recorder';

const TIMEOUT_MS = 3_000;
/** After a refusal, so that a member that is down is not asked without pause. */
const REFUSED_MS = 30;
const KEYS = 24;
const LEASED_KEYS = 12;
const LEASE_TTL_SECONDS = [2, 3, 60] as const;
const KEEP_ALIVES = 3;

export interface WorkloadOptions {
  readonly endpoints: readonly string[];
  readonly clientsPerMember: number;
  /** Requests per second of all clients together, as long as they are answered. */
  readonly rate: number;
  readonly recorder: Recorder;
  readonly random: Random;
}

/** Clients that each ask one member one thing after the other: put, get, delete, transactions, ranges, leases. */
export class Workload {
  private running = true;
  private readonly loops: Promise<void>[];
  private readonly clients: MemberClient[];
  /** Last revision that some client saw of a key: what a compare-and-swap expects. */
  private readonly mods = new Map<string, number>();
  private highest = 1;
  private serial = 0;
  private leaseId: bigint;
  keepAlives = 0;

  constructor(private readonly options: WorkloadOptions) {
    this.leaseId = BigInt(options.random.between(1, 2 ** 31)) << 20n;
    this.clients = options.endpoints.flatMap((endpoint) =>
      Array.from({ length: options.clientsPerMember }, () => new MemberClient(endpoint)),
    );
    this.loops = this.clients.map((client, at) =>
      this.loop(client, `client-${at + 1}`, at % options.clientsPerMember === 0),
    );
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.loops);
    for (const client of this.clients) client.close();
  }

  /** A revision that lies a little behind what has been seen. */
  get compactable(): number {
    return Math.max(1, this.highest - 500);
  }

  private async loop(client: MemberClient, name: string, leases: boolean): Promise<void> {
    const period = (1_000 * this.clients.length) / this.options.rate;
    let due = performance.now() + this.options.random.next() * period;
    let suffix = 0;
    while (this.running) {
      await until(due);
      const known =
        leases && this.options.random.chance(0.05)
          ? await this.useLease(client, name)
          : await this.once(client, `${name}.${suffix}`);
      // Whoever got no answer goes on as somebody else: its request may still take effect.
      if (known === 'unknown') suffix += 1;
      if (known !== 'ok') await until(performance.now() + REFUSED_MS);
      due = Math.max(due + period, performance.now() - 5 * period);
    }
  }

  private async once(client: MemberClient, name: string): Promise<'ok' | 'refused' | 'unknown'> {
    const request = this.request();
    const performed = await this.options.recorder.perform(name, client, request, TIMEOUT_MS);
    if (performed.kind === 'failed') return performed.definite ? 'refused' : 'unknown';
    this.highest = Math.max(this.highest, performed.revision);
    if (request.kind === 'put') this.mods.set(request.key, performed.revision);
    if (performed.result.kind === 'range') for (const { key, mod } of performed.result.kvs) this.mods.set(key, mod);
    return 'ok';
  }

  private request(): Request {
    const { random } = this.options;
    const key = `k/${String(random.between(0, KEYS - 1)).padStart(2, '0')}`;
    const draw = random.next();
    if (draw < 0.35) return { kind: 'put', key, value: this.value(), ...(random.chance(0.2) ? { prevKv: true } : {}) };
    if (draw < 0.6) return this.read(key);
    if (draw < 0.68) return { kind: 'delete', key, ...(random.chance(0.3) ? { prevKv: true } : {}) };
    if (draw < 0.69) return { kind: 'delete', key: 'k/05', end: 'k/08', prevKv: true };
    if (draw < 0.9) {
      const compares = [{ key, target: 'mod' as const, relation: '=' as const, operand: this.mods.get(key) ?? 0 }];
      return {
        kind: 'txn',
        compares,
        success: [{ kind: 'put', key, value: this.value() }],
        failure: [{ kind: 'range', key }],
      };
    }
    return this.severalAtOnce();
  }

  private read(key: string): Request {
    const { random } = this.options;
    const draw = random.next();
    if (draw < 0.6) return { kind: 'range', key };
    if (draw < 0.75) return { kind: 'range', key, serializable: true };
    if (draw < 0.85) return { kind: 'range', key, revision: Math.max(1, this.highest - random.between(0, 800)) };
    if (draw < 0.9) return { kind: 'range', key: 'k/', end: 'k0', limit: 5 };
    return { kind: 'range', key: 'k/', end: 'k0' };
  }

  private severalAtOnce(): Request {
    const { random } = this.options;
    const at = random.between(0, KEYS - 3);
    const key = (offset: number): string => `k/${String(at + offset).padStart(2, '0')}`;
    const success: TxnOperation[] = [
      { kind: 'put', key: key(0), value: this.value() },
      { kind: 'delete', key: key(1) },
      { kind: 'put', key: key(2), value: this.value() },
      { kind: 'range', key: key(0), end: `${key(2)}\0` },
    ];
    return { kind: 'txn', compares: [], success, failure: [] };
  }

  private value(): string {
    this.serial += 1;
    return `${this.serial}${'.'.repeat(this.options.random.between(0, 200))}`;
  }

  /** Grants a lease, hangs a key on it, keeps it alive for a while, revokes it or lets it expire. */
  private async useLease(client: MemberClient, name: string): Promise<'ok' | 'refused' | 'unknown'> {
    const { random, recorder } = this.options;
    const id = this.leaseId++;
    const ttl = random.pick(LEASE_TTL_SECONDS);
    const from = performance.now();
    const granted = await client.call(
      LEASE_PATHS.LeaseGrant,
      encodeLeaseGrantRequest({ ID: id, TTL: ttl }),
      TIMEOUT_MS,
    );
    if (!granted.ok) return granted.definite ? 'refused' : 'unknown';
    const lease = id.toString(16);
    recorder.mayExpire(lease, from, Number(decodeLeaseGrantResponse(granted.bytes).TTL));
    const put: Request = { kind: 'put', key: `l/${random.between(0, LEASED_KEYS - 1)}`, value: this.value(), lease };
    const performed = await recorder.perform(`${name}-lease-${lease}`, client, put, TIMEOUT_MS);
    if (performed.kind === 'failed') return performed.definite ? 'refused' : 'unknown';
    const fate = random.next();
    if (fate < 0.3) this.keepAlive(client, id);
    if (fate < 0.7) return 'ok';
    const revoked = await recorder.perform(`${name}-lease-${lease}`, client, { kind: 'revoke', lease }, TIMEOUT_MS);
    return revoked.kind === 'ok' ? 'ok' : revoked.definite ? 'refused' : 'unknown';
  }

  private keepAlive(client: MemberClient, id: bigint): void {
    let left = KEEP_ALIVES;
    const stream = client.stream(
      LEASE_PATHS.LeaseKeepAlive,
      () => {
        this.keepAlives += 1;
        left -= 1;
        if (left === 0) stream.cancel();
        else stream.send(encodeLeaseKeepAliveRequest({ ID: id }));
      },
      () => undefined,
    );
    stream.send(encodeLeaseKeepAliveRequest({ ID: id }));
  }
}

function until(time: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, time - performance.now()));
  });
}
