import { shown } from './placement';
import { sameKv } from './store-model';
import { type Change, inRange, type Operation, type Request } from './types';

/** What is known of revisions that nobody's answer claims, from what others saw. Only prunes: the model decides. */
export class Evidence {
  /** Revision → what it did to some keys. */
  private readonly seen = new Map<number, Change[]>();
  /** Key → [mod, revision of the answer]: in between nothing wrote the key. */
  private readonly quiet = new Map<string, [number, number][]>();

  constructor(
    operations: readonly Operation[],
    events: ReadonlyMap<number, readonly Change[]>,
    holes: ReadonlySet<number>,
  ) {
    for (const { outcome, request } of operations) {
      if (outcome.kind !== 'ok') continue;
      const at = request.kind === 'range' ? (request.revision ?? outcome.revision) : undefined;
      for (const kv of shown(outcome.result)) {
        if (holes.has(kv.mod)) this.add(kv.mod, { key: kv.key, kv });
        if (at === undefined) continue;
        const list = this.quiet.get(kv.key);
        if (list === undefined) this.quiet.set(kv.key, [[kv.mod, at]]);
        else list.push([kv.mod, at]);
      }
    }
    for (const [revision, changes] of events) {
      if (holes.has(revision)) for (const change of changes) this.add(revision, change);
    }
    for (const [key, list] of this.quiet) this.quiet.set(key, merge(list));
  }

  private add(revision: number, change: Change): void {
    const list = this.seen.get(revision);
    if (list === undefined) this.seen.set(revision, [change]);
    else if (!list.some(({ key, kv }) => key === change.key && sameKv(kv, change.kv))) list.push(change);
  }

  /** What was seen of this revision. */
  of(revision: number): readonly Change[] {
    return this.seen.get(revision) ?? [];
  }

  /** Whether these changes can be what happened at `revision`. */
  allows(revision: number, changes: readonly Change[]): boolean {
    const wanted = this.of(revision);
    if (!wanted.every(({ key, kv }) => changes.some((change) => change.key === key && sameKv(change.kv, kv))))
      return false;
    return changes.every(({ key }) => !this.isQuiet(key, revision));
  }

  /** Whether `request` could make this revision in some state. */
  mayBe(revision: number, request: Request): boolean {
    if (request.kind === 'put' && this.isQuiet(request.key, revision)) return false;
    return this.of(revision).every((change) => mayCause(request, change));
  }

  private isQuiet(key: string, revision: number): boolean {
    const list = this.quiet.get(key);
    if (list === undefined) return false;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle] as [number, number])[0] < revision) low = middle + 1;
      else high = middle;
    }
    const before = list[low - 1];
    return before !== undefined && revision <= before[1];
  }
}

/** The longest stretch after each mod, by mod. */
function merge(list: readonly [number, number][]): [number, number][] {
  const longest = new Map<number, number>();
  for (const [mod, at] of list) longest.set(mod, Math.max(longest.get(mod) ?? 0, at));
  return [...longest].sort(([a], [b]) => a - b);
}

function mayCause(request: Request, change: Change): boolean {
  const { key, kv } = change;
  if (request.kind === 'put') {
    return key === request.key && kv?.value === request.value && kv.lease === (request.lease ?? '');
  }
  if (request.kind === 'delete') return kv === undefined && inRange(key, request.key, request.end);
  if (request.kind === 'txn') return [...request.success, ...request.failure].some((one) => mayCause(one, change));
  return request.kind === 'revoke' && kv === undefined;
}

/** Keys that a request may write or whose state decides what it does; undefined: any. */
export function keysOf(request: Request): readonly string[] | undefined {
  if (request.kind === 'put') return [request.key];
  if (request.kind === 'delete') return request.end === undefined ? [request.key] : undefined;
  if (request.kind !== 'txn') return undefined;
  const keys: string[] = request.compares.map(({ key }) => key);
  for (const operation of [...request.success, ...request.failure]) {
    if (operation.kind === 'range') continue;
    const more = keysOf(operation);
    if (more === undefined) return undefined;
    keys.push(...more);
  }
  return keys;
}
