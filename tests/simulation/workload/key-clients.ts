import type { Client } from './client';
import type { Request } from './requests';
import { compact, get, put, remove, swap } from './requests';

const KEYS = Array.from({ length: 24 }, (_, i) => `k/${String.fromCharCode(97 + (i % 8))}${i}`);
/** Milliseconds between two requests of one client, on average. */
const THINK_MS = 2_000;

/** Puts, gets, deletes, transactions, compactions, at random, for ever. */
export function runKeyClient(client: Client): void {
  const { side, process } = client;
  const { world } = side.cluster;
  const next = (): void => {
    if (side.isOver) return;
    client.perform(draw(client), () => world.after(world.random.next() * 2 * THINK_MS, process, next));
  };
  world.after(world.random.next() * THINK_MS, process, next);
}

function draw({ side }: Client): Request {
  const { truth, world } = side.cluster;
  const { random } = world;
  const key = random.pick(KEYS);
  const luck = random.next();
  if (luck < 0.38) return put(key, side.freshValue());
  if (luck < 0.58) return get(key);
  if (luck < 0.65) return remove(key);
  if (luck < 0.75)
    return swap(
      key,
      truth.valueAt(key, truth.revision) ?? 'none',
      swapWrites(side.freshValue(), key, random.chance(0.5) ? random.pick(KEYS) : key, side.freshValue()),
    );
  if (luck < 0.83) return get(`k/${random.pick(['a', 'b', 'c', 'd'])}`, { isPrefix: true });
  if (luck < 0.92) return get(key, { serializable: true });
  if (luck < 0.97) return get(key, { revision: Math.max(1, truth.revision - random.below(80)) });
  return compact(Math.max(1, truth.revision - random.below(100)), random.chance(0.3));
}

function swapWrites(first: string, key: string, other: string, second: string): { key: string; value: string }[] {
  const writes = [{ key, value: first }];
  if (other !== key) writes.push({ key: other, value: second });
  return writes;
}
