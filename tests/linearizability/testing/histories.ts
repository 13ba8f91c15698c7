import { StoreModel } from '../store-model';
import type { History, Operation, Outcome, Request } from '../types';

const EMPTY: History['start'] = { revision: 1, kvs: [] };

export interface SimulationOptions {
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  /** Share of requests that stay without an answer; half of those take effect. */
  readonly unknown: number;
  readonly random: () => number;
}

/** A history of a correct store: each request takes effect at a moment between its call and its return. */
export function simulate(options: SimulationOptions): History {
  const { random } = options;
  const model = new StoreModel(EMPTY);
  const operations: Operation[] = [];
  const freeAt = Array.from({ length: options.clients }, () => 0);
  let now = 0;
  for (let id = 1; id <= options.operations; id++) {
    now += 1;
    const free = freeAt.flatMap((at, client) => (at <= now ? [client] : []));
    const client = free[Math.floor(random() * free.length)];
    if (client === undefined) {
      id -= 1;
      continue;
    }
    const call = now - random() * 0.9 - Math.max(0, Math.min(3, now - (freeAt[client] ?? 0) - 1)) * random();
    const end = now + random() * 5;
    const request = randomRequest(id, options, model, random);
    const isUnknown = random() < options.unknown;
    const effect = model.evaluate(request);
    const happens = !isUnknown || random() < 0.5;
    if (happens && effect.changes.length > 0) model.apply(effect.changes);
    const outcome: Outcome = isUnknown
      ? { kind: 'unknown' }
      : { kind: 'ok', revision: model.revision, result: effect.result };
    operations.push({ id, client: `c${client}`, call, return: isUnknown ? Infinity : end, request, outcome });
    freeAt[client] = end + 1;
  }
  return { start: EMPTY, operations };
}

function randomRequest(id: number, { keys }: SimulationOptions, model: StoreModel, random: () => number): Request {
  const key = `k${String(Math.floor(random() * keys)).padStart(3, '0')}`;
  const draw = random();
  if (draw < 0.4) return { kind: 'put', key, value: `v${id}`, ...(random() < 0.2 ? { prevKv: true } : {}) };
  if (draw < 0.7) return { kind: 'range', key, ...(random() < 0.2 ? { serializable: true } : {}) };
  if (draw < 0.72) return { kind: 'range', key: 'k', end: 'l' };
  if (draw < 0.8) return { kind: 'delete', key };
  const guess = random() < 0.8 ? (model.get(key)?.mod ?? 0) : 0;
  const put = { kind: 'put' as const, key, value: `t${id}` };
  const compares = [{ key, target: 'mod' as const, relation: '=' as const, operand: guess }];
  return { kind: 'txn', compares, success: [put], failure: [{ kind: 'range', key }] };
}
