import { Errors, GrpcCode, type RpcError } from '../../../libs/errors';
import type { Message, NodeId } from '../../../libs/raft';
import type { StreamCall, StreamHandler } from '../../../libs/rpc';
import { decodePeerBatch, type PeerBatch, type PeerHello } from '../../../proto/gen/hexad';
import type { RaftStats } from '../stats';
import type { AllPeerCounts } from './peer-counts';

export interface PeerServerOptions {
  readonly memberId: NodeId;
  readonly clusterId: bigint;
  readonly stats: RaftStats;
  readonly counts: AllPeerCounts;
  onMessages(from: NodeId, messages: readonly Message[], batch: PeerBatch): void;
  /** Everything else that a batch holds. */
  onExtras(from: NodeId, batch: PeerBatch): void;
  onHello(hello: PeerHello): void;
  onRefused(remote: string, reason: string): void;
  /** The member was in the cluster and was taken out of it. */
  wasRemoved(id: NodeId): boolean;
  readonly fatal: (error: unknown) => never;
}

/** What a member that was removed is told by the others; it ends then. */
export const REMOVED: RpcError = {
  code: GrpcCode.FailedPrecondition,
  message: 'the member has been permanently removed from the cluster',
};

const NO_HELLO: RpcError = { code: GrpcCode.InvalidArgument, message: 'a peer stream begins with a hello' };
const MALFORMED: RpcError = { code: GrpcCode.InvalidArgument, message: 'malformed peer message' };

/** Takes what other members send. A stream is refused unless its hello is meant for this member of this cluster. */
export class PeerServer {
  private readonly streams = new Map<StreamCall, NodeId>();

  constructor(private readonly options: PeerServerOptions) {}

  readonly serve: StreamHandler = (call) => {
    const { options } = this;
    let from: NodeId | undefined;
    call.onMessage((bytes) => {
      options.stats.peerBytesReceived += bytes.length;
      const batch = read(bytes);
      if (batch === undefined) return refuse(options, call, MALFORMED);
      if (from === undefined) {
        const { hello } = batch;
        const refusal = hello === undefined ? NO_HELLO : refusalOfHello(options, hello);
        if (refusal !== undefined) return refuse(options, call, refusal);
        from = hello?.from ?? 0n;
        this.streams.set(call, from);
        if (hello !== undefined) options.onHello(hello);
      }
      options.counts.of(from).receivedBytes += bytes.length;
      try {
        receive(options, from, batch);
      } catch (error) {
        options.fatal(error);
      }
    });
    call.onHalfClose(() => call.end());
    call.onClose(() => this.streams.delete(call));
  };

  /** A member was removed: it may not have learned so from the log, since nothing is sent to it any more. */
  dismiss(id: NodeId): void {
    for (const [call, from] of this.streams) if (from === id) call.end(REMOVED);
  }
}

function read(bytes: Uint8Array): PeerBatch | undefined {
  try {
    return decodePeerBatch(bytes);
  } catch {
    return undefined;
  }
}

/** Why a stream that begins like this is not taken. */
export function refusalOfHello(
  { memberId, clusterId, wasRemoved }: Pick<PeerServerOptions, 'memberId' | 'clusterId' | 'wasRemoved'>,
  hello: Pick<PeerHello, 'clusterId' | 'from' | 'to'>,
): RpcError | undefined {
  if (hello.from === 0n || hello.from === memberId) return NO_HELLO;
  if (hello.clusterId !== clusterId) return Errors.ClusterIDMismatch;
  if (hello.to !== memberId) return Errors.MemberNotFound;
  return wasRemoved(hello.from) ? REMOVED : undefined;
}

function refuse(options: PeerServerOptions, call: StreamCall, error: RpcError): void {
  options.onRefused(call.connection.remoteAddress, error.message);
  call.end(error);
}

function receive(options: PeerServerOptions, from: NodeId, batch: PeerBatch): void {
  if (batch.messages.length > 0) options.onMessages(from, batch.messages, batch);
  const { proposals, proposalReplies, relayRequests, relayReplies, forwarded, wantsStore } = batch;
  const lists = [proposals, proposalReplies, relayRequests, relayReplies, forwarded];
  if (wantsStore || lists.some((list) => list.length > 0)) {
    options.onExtras(from, batch);
  }
}
