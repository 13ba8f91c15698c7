import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { ProcessConfig } from '../../libs/config';
import { Announcer, hubSubject, type Messenger } from '../../libs/event-bus';
import { formatAddress } from '../../libs/process';
import type { Address } from '../../libs/rpc';
import { encodeBusHub } from '../../proto/gen/hexad';

/** Says over the event bus where this hub can be reached, if there is a bus. */
export function announceHub(
  { clusterId, tiers }: Pick<ProcessConfig, 'clusterId' | 'tiers'>,
  messenger: Messenger | undefined,
  listens: Address,
): Announcer | undefined {
  if (messenger === undefined) return undefined;
  const name = randomBytes(8).toString('hex');
  const address = tiers.watchAdvertise || formatAddress(reachable(listens));
  const subject = hubSubject(BigInt(`0x${clusterId}`), name);
  return new Announcer(messenger, subject, (leaving) => encodeBusHub({ name, address, leaving }));
}

/** A hub that listens everywhere is reached at this host's first address outside of it. */
function reachable(address: Address): Address {
  if (address.kind === 'unix' || !['0.0.0.0', '::'].includes(address.host)) return address;
  const own = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  return { ...address, host: own?.address ?? '127.0.0.1' };
}
