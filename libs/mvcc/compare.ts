import { compareBytes, NO_BYTES } from './bytes';
import { boundsOf } from './range';
import type { Version } from './record';
import type { CompareRequest, Int64 } from './types';
import type { Versions } from './versions';

const Result = { Equal: 0, Greater: 1, Less: 2, NotEqual: 3 } as const;
const Target = { Version: 0, Create: 1, Mod: 2, Value: 3, Lease: 4 } as const;

/** What a missing key compares as; its value is never compared. */
const ABSENT = { version: 0, createRevision: 0, modRevision: 0, lease: 0n, value: NO_BYTES };

/** Whether every key the comparison names satisfies it now. */
export function holds(versions: Versions, compare: CompareRequest): boolean {
  const bounds = boundsOf(compare.key, compare.rangeEnd);
  if (bounds === undefined) {
    const last = compare.key.length === 0 ? undefined : versions.latest(compare.key);
    return last === undefined || last.isDelete ? holdsForNone(compare) : holdsFor(last, compare);
  }
  if (bounds.start !== undefined && bounds.end !== undefined && compareBytes(bounds.start, bounds.end) >= 0)
    return holdsForNone(compare);
  const rows = versions.scan(bounds.start, bounds.end);
  let isEmpty = true;
  try {
    while (rows.next()) {
      if (rows.isDelete()) continue;
      isEmpty = false;
      if (!holdsFor(rows.version(), compare)) return false;
    }
  } finally {
    rows.close();
  }
  return isEmpty ? holdsForNone(compare) : true;
}

function holdsForNone(compare: CompareRequest): boolean {
  return compare.target !== Target.Value && holdsFor(ABSENT, compare);
}

type Compared = Pick<Version, 'version' | 'createRevision' | 'modRevision' | 'lease' | 'value'>;

function holdsFor(kv: Compared, compare: CompareRequest): boolean {
  const order = orderOf(kv, compare);
  switch (compare.result) {
    case Result.Equal:
      return order === 0;
    case Result.NotEqual:
      return order !== 0;
    case Result.Greater:
      return order > 0;
    case Result.Less:
      return order < 0;
    default:
      return true;
  }
}

/** An operand that is not set, or of another target, is 0 or empty. */
function orderOf(kv: Compared, compare: CompareRequest): number {
  switch (compare.target) {
    case Target.Version:
      return orderNumbers(kv.version, compare.version ?? 0);
    case Target.Create:
      return orderNumbers(kv.createRevision, compare.createRevision ?? 0);
    case Target.Mod:
      return orderNumbers(kv.modRevision, compare.modRevision ?? 0);
    case Target.Value:
      return compareBytes(kv.value, compare.value ?? NO_BYTES);
    case Target.Lease:
      return orderNumbers(kv.lease, compare.lease ?? 0);
    default:
      return 0;
  }
}

function orderNumbers(a: Int64, b: Int64): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
