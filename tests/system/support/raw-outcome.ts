import { ErrorCode, Flag, FrameType, RawPeer } from '../../../libs/rpc/testing/raw-peer';

/** How a server took what it was sent: a gRPC status, a stream that was reset, or a connection that was ended. */
export interface Outcome {
  readonly kind: 'status' | 'reset' | 'goaway' | 'closed';
  /** gRPC code, or HTTP/2 error code. */
  readonly code: number;
  readonly text: string;
}

/** A peer on a server's client port. */
export function rawPeer(endpoint: string): RawPeer {
  const [host = '', port] = endpoint.split(':');
  return new RawPeer({ kind: 'tcp', host, port: Number(port) });
}

/** What becomes of a stream. Ends the peer's usefulness for header blocks: they are decoded in order, once. */
export async function outcomeOf(peer: RawPeer, streamId: number): Promise<Outcome> {
  const endsStream = (type: number, flags: number): boolean =>
    type === FrameType.RstStream || (type === FrameType.Headers && (flags & Flag.EndStream) !== 0);
  await peer.until(
    () =>
      peer.closed ||
      peer.frames.some(
        (frame) =>
          frame.type === FrameType.Goaway || (frame.streamId === streamId && endsStream(frame.type, frame.flags)),
      ),
  );
  const status = Object.assign(
    {},
    ...peer
      .decodeHeaders()
      .filter((block) => block.streamId === streamId)
      .map((block) => block.fields),
  ) as Record<string, string>;
  if (status['grpc-status'] !== undefined) {
    const text = decodeURIComponent(status['grpc-message'] ?? '');
    return { kind: 'status', code: Number(status['grpc-status']), text };
  }
  const reset = peer.frames.find((frame) => frame.type === FrameType.RstStream && frame.streamId === streamId);
  if (reset !== undefined) return { kind: 'reset', code: reset.payload.readUInt32BE(0), text: '' };
  const goaway = peer.frames.find((frame) => frame.type === FrameType.Goaway);
  if (goaway === undefined) return { kind: 'closed', code: ErrorCode.NoError, text: '' };
  return { kind: 'goaway', code: goaway.payload.readUInt32BE(4), text: goaway.payload.toString('utf8', 8) };
}
