import type { EventBusConfig, ProcessConfig } from '../../libs/config';
import { Announcer, eventsSubject, memberSubject, NatsMessenger } from '../../libs/event-bus';
import { type Logger, StartError } from '../../libs/process';
import { encodeBusMember } from '../../proto/gen/hexad';
import type { EventBus } from './feeds/events';
import type { Identity } from './state/ids';

/** The member's end of the event bus: its events, and word of where its processes are. */
export function openEventBus(
  bus: EventBusConfig,
  { name, addresses }: Pick<ProcessConfig, 'name' | 'addresses'>,
  { clusterId, memberId }: Identity,
  logger: Logger,
): EventBus & { close(): Promise<void> } {
  const messenger = orRefuse(() => new NatsMessenger({ ...bus, name: `hexad storage ${name}` }, logger));
  const announcer = new Announcer(messenger, memberSubject(clusterId, memberId), (leaving) =>
    encodeBusMember({
      name,
      raftAddress: addresses.raft,
      storageAddress: addresses.storage,
      leaseAddress: addresses.lease,
      authAddress: addresses.auth,
      leaving,
    }),
  );
  const subject = eventsSubject(clusterId, memberId);
  return {
    publish: (message, traceparent) => void messenger.publish(subject, message, traceparent),
    close: async () => {
      announcer.leave();
      await messenger.close();
    },
  };
}

/** A file that can't be read is the user's mistake, to be told in one line. */
function orRefuse<Result>(create: () => Result): Result {
  try {
    return create();
  } catch (error) {
    throw new StartError(`cannot use --event-bus: ${error instanceof Error ? error.message : String(error)}`);
  }
}
