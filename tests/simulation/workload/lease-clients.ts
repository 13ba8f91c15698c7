import type { Client } from './client';
import { grant, keepAlive, put, revoke } from './requests';

export const LEASE_PREFIX = 'lease/';

export function leaseKey(id: bigint): string {
  return `${LEASE_PREFIX}${id.toString(16)}`;
}

/** Takes a lease, hangs a key on it, keeps it for a while, and then lets it run out or gives it back. */
export function runLeaseClient(client: Client): void {
  const { side, process } = client;
  const { world } = side.cluster;
  const { random } = world;
  let id = 0n;
  let ttl = 0;
  let renewals = 0;
  const begin = (): void => {
    if (side.isOver) return;
    id = BigInt(1 + random.below(2 ** 31)) * 1_000n;
    ttl = 3 + random.below(6);
    renewals = random.below(8);
    client.perform(grant(id, ttl), (operation) => {
      if (operation?.outcome?.kind === 'ok') client.perform(put(leaseKey(id), side.freshValue(), id), renew);
      else world.after(1_000, process, begin);
    });
  };
  const renew = (): void => {
    if (renewals-- > 0 && !side.isOver) {
      world.after((ttl * 1_000) / 3, process, () => client.perform(keepAlive(id, ttl), renew));
    } else if (random.chance(0.3)) client.perform(revoke(id, ttl), rest);
    else rest();
  };
  const rest = (): void => void world.after(random.next() * 20_000, process, begin);
  world.after(random.next() * 5_000, process, begin);
}
