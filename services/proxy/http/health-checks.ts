import { Errors, type RpcError } from '../../../libs/errors';
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

/** Counts by check, for etcd_server_healthcheck and its relatives. */
export interface HealthCounters {
  success: number;
  failures: number;
}

/** What /health, /livez and /readyz look at. */
export class HealthChecks {
  readonly counters: HealthCounters = { success: 0, failures: 0 };

  constructor(
    private readonly view: MemberView,
    private readonly reads: ReadPipeline,
  ) {}

  async health(query: URLSearchParams): Promise<HealthReply> {
    const reason = await this.whyUnhealthy(query);
    if (reason === '') this.counters.success++;
    else this.counters.failures++;
    const body = JSON.stringify({ health: reason === '' ? 'true' : 'false', reason });
    return { status: reason === '' ? 200 : 503, contentType: 'application/json', body };
  }

  /** `/livez` and `/readyz`; `only` names one check of a sub-path. Undefined: no such check. */
  async probe(kind: 'livez' | 'readyz', only: string, query: URLSearchParams): Promise<HealthReply | undefined> {
    const names: readonly string[] =
      kind === 'livez'
        ? ['serializable_read']
        : ['data_corruption', 'serializable_read', 'linearizable_read', 'non_learner'];
    if (only !== '' && !names.includes(only)) return undefined;
    const excluded = new Set(query.getAll('exclude').filter((name) => name !== ''));
    const chosen = only === '' ? names.filter((name) => !excluded.has(name)) : [only];
    const results = await Promise.all(chosen.map((name) => this.run(name)));
    return probeReply(kind, results, query.has('verbose') && query.get('verbose') !== 'false');
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

function probeReply(kind: string, results: readonly CheckResult[], verbose: boolean): HealthReply {
  const failed = results.some((result) => result.error !== undefined);
  const lines = results.map(({ name, error }) =>
    error === undefined ? `[+]${name} ok` : `[-]${name} failed: ${error}`,
  );
  const contentType = 'text/plain; charset=utf-8';
  if (failed) return { status: 503, contentType, body: `${lines.join('\n')}\n${kind} check failed\n` };
  return { status: 200, contentType, body: verbose ? `${lines.map((line) => `${line}\n`).join('')}ok\n` : 'ok\n' };
}
