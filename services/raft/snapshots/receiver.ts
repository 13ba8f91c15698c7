import { Errors, GrpcCode, type RpcError } from '../../../libs/errors';
import { failpoint } from '../../../libs/failpoints';
import type { Logger } from '../../../libs/process';
import type { Channel, ClientStream, StreamCall, StreamHandler } from '../../../libs/rpc';
import {
  decodePeerStreamPart,
  decodeStoreCopyInstalled,
  encodePeerStreamPart,
  type PeerStreamHello,
  type PeerStreamPart,
  STORAGE_PATHS,
} from '../../../proto/gen/hexad';
import type { RaftLimits } from '../config';

export interface ReceiverOptions {
  readonly limits: RaftLimits;
  readonly logger: Logger;
  readonly now: () => number;
  connectToStorage(): Channel;
  /** Why this member takes nothing from that one; undefined: it does. */
  refusalOf(hello: Pick<PeerStreamHello, 'clusterId' | 'from' | 'to'>): RpcError | undefined;
  /** The WAL has recorded a snapshot at this index or later. */
  isRecorded(index: number): boolean;
}

const beforeReceive = failpoint('raftBeforeReceiveSnap');
const afterReceive = failpoint('raftAfterReceiveSnap');

const MALFORMED: RpcError = { code: GrpcCode.InvalidArgument, message: 'malformed peer stream' };

/** Hands a stream of another member's process to the same process here, unread. The latest stream counts. */
export class StreamReceiver {
  private current: Incoming | undefined;

  constructor(private readonly options: ReceiverOptions) {}

  readonly serve: StreamHandler = (call) => {
    let incoming: Incoming | undefined;
    call.onMessage((bytes) => {
      const part = read(bytes);
      if (part === undefined) return call.end(MALFORMED);
      if (incoming !== undefined) return incoming.take(part.data);
      const refusal = this.refusalOf(part.hello);
      if (refusal !== undefined) return call.end(refusal);
      beforeReceive.reach();
      this.current?.abort('another stream has begun');
      incoming = new Incoming(call, this.options);
      this.current = incoming;
    });
    call.onHalfClose(() => (incoming === undefined ? call.end(MALFORMED) : incoming.finish()));
    call.onClose(() => incoming?.abort('the sender has gone'));
  };

  /** After a turn: what was waited for may have been recorded. */
  afterTurn(): void {
    if (this.current === undefined || this.current.isOver) return;
    this.current.afterTurn();
  }

  /** Whether a copy is coming in. */
  get isReceiving(): boolean {
    return this.current !== undefined && !this.current.isOver;
  }

  close(): void {
    this.current?.abort('this member stops');
  }

  private refusalOf(hello: PeerStreamHello | undefined): RpcError | undefined {
    if (hello === undefined) return MALFORMED;
    // One kind of stream so far.
    if (hello.process !== 'storage') return Errors.UnknownMethod;
    return this.options.refusalOf(hello);
  }
}

class Incoming {
  private readonly channel: Channel;
  private readonly stream: ClientStream;
  /** Storage has the copy; the sender is told when the WAL says so too. */
  private installed: { readonly index: number; readonly since: number } | undefined;
  isOver = false;

  constructor(
    private readonly call: StreamCall,
    private readonly options: ReceiverOptions,
  ) {
    this.channel = options.connectToStorage();
    this.stream = this.channel.stream(STORAGE_PATHS.CopyIn);
    this.stream.onDrain(() => call.resume());
    this.stream.onMessage((bytes) => {
      this.installed = { index: decodeStoreCopyInstalled(bytes).index, since: options.now() };
    });
    this.stream.onClose((error) => {
      // Once it has the copy, storage starts anew and so ends the stream.
      if (this.installed === undefined) this.abort(error?.message ?? 'storage ended the stream early');
    });
  }

  take(data: Uint8Array): void {
    if (!this.isOver && !this.stream.send(data)) this.call.pause();
  }

  finish(): void {
    this.stream.halfClose();
  }

  afterTurn(): void {
    if (this.installed === undefined) return;
    const { index, since } = this.installed;
    if (this.options.isRecorded(index)) {
      afterReceive.reach();
      this.call.send(encodePeerStreamPart({ done: { index } }));
      this.end(undefined);
    } else if (this.options.now() - since > this.options.limits.copyStallMs) {
      this.abort('storage has not come back with the copy');
    }
  }

  abort(reason: string): void {
    if (this.isOver) return;
    this.options.logger.warn({ error: reason }, 'failed to receive database snapshot');
    this.end({ code: GrpcCode.Aborted, message: reason });
  }

  private end(error: RpcError | undefined): void {
    this.isOver = true;
    this.call.end(error);
    this.stream.cancel();
    this.channel.close();
  }
}

function read(bytes: Uint8Array): PeerStreamPart | undefined {
  try {
    return decodePeerStreamPart(bytes);
  } catch {
    return undefined;
  }
}
