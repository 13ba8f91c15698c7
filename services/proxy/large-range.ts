import { Errors, GrpcCode, type RpcError } from '../../libs/errors';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import type { Channel, ClientStream, Metadata, ReplyParts } from '../../libs/rpc';
import { decodeRangePart, encodeRangePartsCall, STORAGE_PATHS } from '../../proto/gen/hexad';
import type { Answer } from './answer';
import { UnaryRequest } from './requests';

/** A range whose answer storage would not put into one reply. */
export interface LargeRead {
  readonly answer: Answer;
  readonly user: string;
  readonly authRevision: number;
  /** hexad.LargeRange, as storage gave it. */
  readonly largeRange: Uint8Array;
  /** The answer is complete: accounts for its time. `heldBackMs`: how long the client did not take what there was. */
  readonly answered: (heldBackMs: number) => Metadata | undefined;
}

/**
 * Fetches the answer in parts, on a connection of its own, so that its bulk delays no other reply, and hands them to the client as
 * fast as it takes them: what waits here is bounded, whatever the size of the answer.
 */
export function forwardLargeRange(dialStorage: () => Channel, read: LargeRead): void {
  const storage = dialStorage();
  const stream = storage.stream(STORAGE_PATHS.RangeParts);
  const target = new Target(read, stream);
  stream.onMessage((message) => {
    const { totalBytes, bytes } = decodeRangePart(message);
    if (totalBytes > 0) target.begin(totalBytes);
    else target.add(bytes);
  });
  stream.onClose((error) => {
    storage.close();
    target.end(error ?? { code: GrpcCode.Internal, message: 'the answer broke off' });
  });
  const { user, authRevision, largeRange } = read;
  stream.send(encodeRangePartsCall({ user, authRevision, largeRange }));
  stream.halfClose();
}

/** The client's call, in parts if it can be, else as a whole. */
class Target {
  private total = 0;
  private received = 0;
  private parts: ReplyParts | undefined;
  private whole: Uint8Array | undefined;
  private over = false;

  private readonly answer: Answer;
  private heldBackMs = 0;
  private heldBackSince: number | undefined;

  constructor(
    private readonly read: LargeRead,
    private readonly stream: ClientStream,
  ) {
    this.answer = read.answer;
  }

  begin(total: number): void {
    this.total = total;
    const { answer, stream } = this;
    this.parts = answer instanceof UnaryRequest ? answer.beginReply(total) : undefined;
    this.parts?.onDrain(() => {
      this.goOn();
      stream.resume();
    });
    this.parts?.onBroken(() => stream.cancel());
    if (this.parts !== undefined) return;
    if (total <= INTERNAL_MESSAGE_BYTES_MAX && !answer.cancelled) this.whole = new Uint8Array(total);
    else {
      this.over = true;
      answer.fail(Errors.LargeAnswer);
      stream.cancel();
    }
  }

  add(bytes: Uint8Array): void {
    if (this.over) return;
    this.whole?.set(bytes, this.received);
    this.received += bytes.length;
    // What is queued must stay as it is, and a message's bytes are its connection's.
    if (this.parts?.write(bytes.slice()) === false) this.holdBack();
    if (this.received < this.total) return;
    this.over = true;
    this.goOn();
    const trailers = this.read.answered(this.heldBackMs);
    if (this.answer instanceof UnaryRequest && this.parts !== undefined) this.answer.endReply();
    else if (this.whole !== undefined) this.answer.reply(this.whole, trailers);
  }

  private holdBack(): void {
    this.stream.pause();
    this.heldBackSince ??= performance.now();
  }

  private goOn(): void {
    if (this.heldBackSince !== undefined) this.heldBackMs += performance.now() - this.heldBackSince;
    this.heldBackSince = undefined;
  }

  /** The stream has ended; after the last part this is no news. */
  end(error: RpcError): void {
    if (this.over) return;
    this.over = true;
    if (this.parts === undefined) this.answer.fail(error);
    else {
      this.parts.abort();
      if (this.answer instanceof UnaryRequest) this.answer.endReply(error);
    }
  }
}
