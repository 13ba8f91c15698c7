import { Errors, type RpcError } from '../../../libs/errors';
import type { Logger } from '../../../libs/process';
import { StorageMethod } from '../../../proto/gen/hexad';
import { noBytes } from '../answer';
import { NOBODY } from '../identity';
import type { MemberView } from '../member-view';
import type { ReadPipeline } from '../reads';

const NOSPACE = 1;
const CORRUPT = 2;

export interface CheckResult {
  readonly name: string;
  /** Undefined: healthy. */
  readonly error: string | undefined;
}

export interface HealthReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What /health found, and each check of the others, for etcd_server_healthcheck and its relatives. */
export interface HealthCounters {
  success: number;
  failures: number;
  readonly checks: Map<string, CheckCounter>;
}

export interface CheckCounter {
  readonly type: ProbeKind;
  readonly name: string;
  /** Of the last time. */
  isHealthy: boolean;
  success: number;
  error: number;
}

export type ProbeKind = 'livez' | 'readyz';

const CHECKS: Readonly<Record<ProbeKind, readonly string[]>> = {
  livez: ['serializable_read'],
  readyz: ['data_corruption', 'serializable_read', 'linearizable_read', 'non_learner'],
};

/** What /health, /livez and /readyz look at. */
export class HealthChecks {
  readonly counters: HealthCounters = { success: 0, failures: 0, checks: new Map() };

  constructor(
    private readonly view: MemberView,
    private readonly reads: ReadPipeline,
    private readonly logger: Pick<Logger, 'warn' | 'error'>,
  ) {}

  async health(query: URLSearchParams): Promise<HealthReply> {
    const reason = await this.whyUnhealthy(query);
    if (reason === '') this.counters.success++;
    else this.counters.failures++;
    const body = JSON.stringify({ health: reason === '' ? 'true' : 'false', reason });
    return { status: reason === '' ? 200 : 503, contentType: 'application/json', body };
  }

  /** `/livez` and `/readyz`; `only` names one check of a sub-path. Undefined: no such check. */
  async probe(kind: ProbeKind, only: string, query: URLSearchParams): Promise<HealthReply | undefined> {
    const names = CHECKS[kind];
    if (only !== '' && !names.includes(only)) return undefined;
    const results = await Promise.all(
      (only === '' ? this.withoutExcluded(names, query) : [only]).map((name) => this.run(name)),
    );
    for (const result of results) this.count(kind, result);
    const lines = results.map(lineOf);
    if (results.some(({ error }) => error !== undefined)) {
      this.logger.error({ path: `/${kind}${only && `/${only}`}`, reason: lines.join('') }, 'Health check error');
    }
    return probeReply(kind, results, lines.join(''), query.has('verbose'));
  }

  /** A name that is no check excludes nothing: a probe made for another version still works. */
  private withoutExcluded(names: readonly string[], query: URLSearchParams): readonly string[] {
    const excluded = query.getAll('exclude').filter((name) => name !== '');
    const missing = excluded.filter((name) => !names.includes(name)).map((name) => JSON.stringify(name));
    if (missing.length > 0) {
      this.logger.warn({ 'missing-health-checks': missing.join(',') }, 'some health checks cannot be excluded');
    }
    return names.filter((name) => !excluded.includes(name));
  }

  private count(type: ProbeKind, { name, error }: CheckResult): void {
    const { checks } = this.counters;
    const key = `${type}/${name}`;
    const counter = checks.get(key) ?? { type, name, isHealthy: true, success: 0, error: 0 };
    checks.set(key, counter);
    counter.isHealthy = error === undefined;
    counter[error === undefined ? 'success' : 'error']++;
  }

  private async whyUnhealthy(query: URLSearchParams): Promise<string> {
    const excluded = query.getAll('exclude');
    if (this.view.hasAlarm(NOSPACE) && !excluded.includes('NOSPACE')) return 'ALARM NOSPACE';
    if (this.view.hasAlarm(CORRUPT) && !excluded.includes('CORRUPT')) return 'ALARM CORRUPT';
    const serializable = query.get('serializable') === 'true';
    if (!serializable && !this.view.hasLeader) return 'RAFT NO LEADER';
    const error = await this.readBarrier(!serializable);
    return error === undefined ? '' : `RANGE ERROR:${error.message}`;
  }

  private async run(name: string): Promise<CheckResult> {
    if (name === 'data_corruption')
      return { name, error: this.view.hasAlarm(CORRUPT) ? 'alarm activated: CORRUPT' : undefined };
    if (name === 'non_learner') return { name, error: this.view.isLearner ? 'not supported for learner' : undefined };
    const linearizable = name === 'linearizable_read';
    if (linearizable && !this.view.hasLeader) return { name, error: Errors.NoLeader.message };
    const error = await this.readBarrier(linearizable);
    return { name, error: error?.message };
  }

  /** The cheapest read there is. */
  private readBarrier(linearizable: boolean): Promise<RpcError | undefined> {
    return new Promise((resolve) => {
      const answer = { cancelled: false, reply: () => resolve(undefined), fail: resolve };
      if (linearizable) this.reads.linearizable(StorageMethod.STORAGE_BARRIER, noBytes, NOBODY, answer);
      else this.reads.serializable(StorageMethod.STORAGE_BARRIER, noBytes, NOBODY, answer);
    });
  }
}

function lineOf({ name, error }: CheckResult): string {
  return error === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${error}\n`;
}

function probeReply(kind: ProbeKind, results: readonly CheckResult[], text: string, verbose: boolean): HealthReply {
  const contentType = 'text/plain; charset=utf-8';
  const failed = results.some((result) => result.error !== undefined);
  if (failed) return { status: 503, contentType, body: `${text}${kind} check failed\n` };
  return { status: 200, contentType, body: `${verbose ? text : ''}ok\n` };
}
