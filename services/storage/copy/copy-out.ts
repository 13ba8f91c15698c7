import { CopyOvertakenError, CorruptionError, type Store, type StoreCopy } from '../../../libs/mvcc';
import { failpoint } from '../../../libs/failpoints';
import type { Logger } from '../../../libs/process';
import type { StreamCall } from '../../../libs/rpc';
import { Errors, GrpcCode } from '../../../libs/errors';
import { encodeStoreCopyPart } from '../../../proto/gen/hexad';
import type { MaintenanceCounts } from '../maintenance-counts';
import { nextTurn } from '../reads/next-turn';
import type { Identity } from '../state/ids';

const beforeFirstChunk = failpoint('copyOutBeforeFirstChunk');
const beforeEnd = failpoint('copyOutBeforeEnd');

/** Serves copies of the store to members that are too far behind, a chunk in a turn, as fast as they take them. */
export class CopyOutServer {
  constructor(
    private readonly store: Store,
    private readonly identity: Identity,
    private readonly logger: Logger,
    private readonly damaged: (error: CorruptionError) => void,
    private readonly counts: MaintenanceCounts,
  ) {}

  serve(call: StreamCall): void {
    call.onMessage(() => undefined);
    const copy = this.store.copy();
    this.counts.openReads++;
    let wake: () => void = () => undefined;
    let isOpen = true;
    call.onDrain(() => wake());
    call.onClose(() => {
      isOpen = false;
      this.counts.openReads--;
      copy.close();
      wake();
    });
    const drained = (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
      });
    this.send(call, copy, drained, () => isOpen).catch((error: unknown) => {
      copy.close();
      const message = error instanceof Error ? error.message : String(error);
      this.logger.warn({ error: message }, 'a copy of the store has failed');
      if (error instanceof CorruptionError) this.damaged(error);
      call.end(error instanceof CopyOvertakenError ? { code: GrpcCode.Aborted, message } : Errors.Stopped);
    });
  }

  private async send(
    call: StreamCall,
    copy: StoreCopy,
    drained: () => Promise<void>,
    isOpen: () => boolean,
  ): Promise<void> {
    let bytes = 0;
    const began = performance.now();
    await beforeFirstChunk.pass();
    for (let chunk = await copy.next(); chunk !== undefined && isOpen(); chunk = await copy.next()) {
      bytes += chunk.length;
      if (call.send(encodeStoreCopyPart({ chunk }))) await nextTurn();
      else await drained();
    }
    const { end } = copy;
    if (end === undefined || !isOpen()) return;
    const { chunks, rows, position } = end;
    const { clusterId } = this.identity;
    await beforeEnd.pass();
    call.send(encodeStoreCopyPart({ end: { ...position, chunks, rows, clusterId } }));
    call.end();
    const seconds = (performance.now() - began) / 1_000;
    this.logger.info({ ...position, bytes, rows, seconds }, 'the store was copied for another member');
  }
}
