import { Errors, type RpcError } from '../../../libs/errors';
import { CorruptionError, type LargeAnswer } from '../../../libs/mvcc';
import { authoriseRead } from '../../../libs/rbac';
import type { StreamCall } from '../../../libs/rpc';
import { decodeRangeRequest } from '../../../proto/gen/etcdserverpb';
import { decodeLargeRange, decodeRangePartsCall, encodeRangePart, type RangePartsCall } from '../../../proto/gen/hexad';
import { onRequest } from '../feeds/subscription';
import type { Gate } from '../gate';
import { limits } from '../limits';
import { nextTurn } from './next-turn';
import type { ReadContext } from './read-context';

export interface RangePartsOptions {
  readonly context: ReadContext;
  readonly gate: Gate;
  readonly fatal: (error: unknown) => never;
}

/** `Storage.RangeParts`: answers of any size, read from the store as fast as they are taken and never held as a whole. */
export class RangePartsServer {
  private running = 0;

  constructor(private readonly options: RangePartsOptions) {}

  serve(call: StreamCall): void {
    onRequest(call, decodeRangePartsCall, (request) => {
      if (this.running >= limits.largeAnswersMax) {
        call.end(Errors.TooManyRequests);
        return;
      }
      this.running++;
      call.onClose(() => this.running--);
      this.options.gate.whenOpen(() => void this.run(call, request));
    });
  }

  private async run(call: StreamCall, request: RangePartsCall): Promise<void> {
    try {
      call.end(await this.send(call, request));
    } catch (error) {
      if (error instanceof CorruptionError) this.options.fatal(error);
      call.end(Errors.MalformedRequest);
    }
  }

  /** Gives why it ended early. */
  private async send(
    call: StreamCall,
    { largeRange, user, authRevision }: RangePartsCall,
  ): Promise<RpcError | undefined> {
    const { state, headers } = this.options.context;
    const { request, headerRevision, requiredIndex } = decodeLargeRange(largeRange);
    const query = decodeRangeRequest(request);
    const { auth, store } = state;
    if (store.applied.index < requiredIndex) return Errors.Stopped;
    const refusal = authoriseRead(auth, { user, authRevision }, query.key, query.rangeEnd);
    if (refusal !== undefined) return refusal;
    const answer = store.largeAnswer(query, headers.encoded(headerRevision, store.applied.term));
    while (!answer.isCompacted && !answer.measure(limits.largeAnswerRows)) {
      await nextTurn();
      if (call.cancelled) return undefined;
    }
    if (answer.isCompacted) return Errors.Compacted;
    call.send(encodeRangePart({ totalBytes: answer.bytes }));
    return this.sendParts(call, answer);
  }

  private async sendParts(call: StreamCall, answer: LargeAnswer): Promise<RpcError | undefined> {
    let wake: () => void = () => undefined;
    call.onDrain(() => wake());
    call.onClose(() => {
      this.running--;
      wake();
    });
    for (;;) {
      if (answer.isCompacted) return Errors.Compacted;
      const part = answer.next(limits.largeAnswerPartBytes);
      if (part === undefined) return undefined;
      const hasRoom = call.send(encodeRangePart({ bytes: part }));
      if (hasRoom) await nextTurn();
      else {
        const stalled = setTimeout(() => call.end(Errors.Timeout), limits.largeAnswerStallMs);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        clearTimeout(stalled);
      }
      if (call.cancelled) return undefined;
    }
  }
}
