/** The key layout that etcd's concurrency package uses: waiters queue under `<name>/` by the revision they came at. */
import type { RangeRequestInput, ResponseHeader } from '../../../proto/gen/etcdserverpb';
import { EventType } from './event-type';
import type { StoreClient } from './store-client';

const SLASH = 0x2f;
const SORT_ASCEND = 1;
const SORT_DESCEND = 2;
const SORT_BY_CREATE = 2;
const COMPARE_CREATE = 1;
/** A session that brings no lease gets one of this length. */
export const SESSION_TTL_SECONDS = 60;

export const NO_END = new Uint8Array(0);

export function queuePrefix(name: Uint8Array): Uint8Array {
  const prefix = new Uint8Array(name.length + 1);
  prefix.set(name);
  prefix[name.length] = SLASH;
  return prefix;
}

/** `<name>/<lease in hex>` */
export function queueKey(prefix: Uint8Array, lease: bigint): Uint8Array {
  return Buffer.concat([prefix, Buffer.from(lease.toString(16), 'latin1')]);
}

/** The end of the range of keys that begin with `prefix`, which ends with a slash. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const end = new Uint8Array(prefix);
  end[end.length - 1] = SLASH + 1;
  return end;
}

/** The holder: first of the queue. */
export function firstOfQueue(prefix: Uint8Array): RangeRequestInput {
  return { key: prefix, rangeEnd: prefixEnd(prefix), limit: 1, sortTarget: SORT_BY_CREATE, sortOrder: SORT_ASCEND };
}

/** "The key was created at `revision`"; 0: it does not exist. */
export function createdAt(
  key: Uint8Array,
  revision: number | bigint,
): {
  readonly key: Uint8Array;
  readonly target: number;
  readonly createRevision: number | bigint;
} {
  return { key, target: COMPARE_CREATE, createRevision: revision };
}

/** Waits until nobody is left who came at `revision` or before. Throws Refusal. */
export async function waitForTurn(
  store: StoreClient,
  prefix: Uint8Array,
  revision: number | bigint,
): Promise<ResponseHeader | undefined> {
  for (;;) {
    const last = await store.range({
      key: prefix,
      rangeEnd: prefixEnd(prefix),
      limit: 1,
      sortTarget: SORT_BY_CREATE,
      sortOrder: SORT_DESCEND,
      maxCreateRevision: revision,
    });
    const [kv] = last.kvs;
    if (kv === undefined) return last.header;
    await waitForDelete(store, kv.key, Number(last.header?.revision ?? 0));
  }
}

async function waitForDelete(store: StoreClient, key: Uint8Array, startRevision: number): Promise<void> {
  const watch = store.watch(key, NO_END, startRevision);
  try {
    for (;;) {
      const { events } = await watch.next();
      if (events.some((event) => event.type === EventType.Delete)) return;
    }
  } finally {
    watch.close();
  }
}
