import * as limits from './limits';

/** One relation that the limits must keep, in words and as a fact. */
export interface Relation {
  readonly statement: string;
  readonly holds: boolean;
}

type Limits = { readonly [Name in keyof typeof limits]: (typeof limits)[Name] extends number ? number : unknown };

/** The relations of a set of limits; `libs/limits` throws when it is loaded with one that does not hold. */
export function limitRelations(values: Limits = limits): Relation[] {
  const clientMessage = limits.clientMessageBytesMax(values.REQUEST_BYTES_MAX);
  return [
    {
      statement: 'the largest client message fits an internal message with room for its envelope',
      holds: clientMessage + values.GRPC_OVERHEAD_BYTES <= values.INTERNAL_MESSAGE_BYTES_MAX,
    },
    {
      statement: 'a batch that closes at its soft limit fits an internal message even if its last item is the largest',
      holds: values.BATCH_BYTES_SOFT_MAX + clientMessage <= values.INTERNAL_MESSAGE_BYTES_MAX,
    },
    {
      statement: 'all clients served may be on one connection, which gets half of what is admitted',
      holds: 2 * values.CLIENTS_SERVED <= values.REQUESTS_IN_FLIGHT_MAX,
    },
    {
      statement: 'what is admitted may wait in storage',
      holds: 2 * values.REQUESTS_IN_FLIGHT_MAX <= values.READS_WAITING_MAX,
    },
    {
      statement: 'all clients served may wait for a leader',
      holds: values.CLIENTS_SERVED <= values.PROPOSALS_HELD_MAX,
    },
    {
      statement: 'a largest request is admitted while one connection has its half of the bytes',
      holds: 4 * clientMessage <= values.PROPOSALS_IN_FLIGHT_BYTES_MAX,
    },
    {
      statement: 'admission refuses before a link between processes is full',
      holds: values.PROPOSALS_IN_FLIGHT_BYTES_MAX < values.LINK_QUEUE_BYTES_MAX,
    },
    {
      statement: 'a largest internal message can wait on a link',
      holds: values.INTERNAL_MESSAGE_BYTES_MAX <= values.LINK_QUEUE_BYTES_MAX,
    },
    {
      statement: 'a client watch stream can hold a largest fragment',
      holds: limits.watchFragmentBytes(values.REQUEST_BYTES_MAX) <= values.WATCH_STREAM_QUEUE_BYTES_MAX,
    },
    {
      statement: 'a request outlives one election',
      holds: limits.requestTimeoutMs(values.ELECTION_MS) > values.ELECTION_MS,
    },
    { statement: 'several heartbeats fit an election timeout', holds: values.HEARTBEAT_MS * 5 <= values.ELECTION_MS },
    {
      statement: 'a lease outlives an election',
      holds: limits.leaseTtlSecondsMin(values.ELECTION_MS) * 1000 > values.ELECTION_MS,
    },
  ];
}
