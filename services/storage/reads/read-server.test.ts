import { Errors } from '../../../libs/errors';
import { encodeCallBatch, decodeReplyBatch } from '../../../libs/rpc/batch-codec';
import type { StreamCall } from '../../../libs/rpc';
import { encodeRangeRequest } from '../../../proto/gen/etcdserverpb';
import { EntryKind, StorageMethod } from '../../../proto/gen/hexad';
import { Gate } from '../gate';
import { ResponseHeaders } from '../headers';
import { MaintenanceCounts } from '../maintenance-counts';
import { bytes, IDENTITY, MachineRig } from '../testing/machine-rig';
import { createReadMethods } from './methods';
import { ReadServer } from './read-server';

/** A stream that records what is sent. */
class FakeCall {
  readonly sent: Uint8Array[] = [];
  readonly bufferedBytes = 0;
  private callback: (message: Uint8Array) => void = () => undefined;
  onMessage(callback: (message: Uint8Array) => void): void {
    this.callback = callback;
  }
  onClose(): void {}
  onHalfClose(): void {}
  onDrain(): void {}
  sendHeaders(): void {}
  send(message: Uint8Array): boolean {
    this.sent.push(message);
    return true;
  }
  receive(message: Uint8Array): void {
    this.callback(message);
  }
  /** Ids (and errors) answered so far, after the turn in which replies leave. */
  async answered(): Promise<string[]> {
    await new Promise(setImmediate);
    return this.sent.flatMap((message) => decodeReplyBatch(message).map((reply) => `${reply.id}:${reply.error}`));
  }
}

function rig(): {
  machine: MachineRig;
  call: FakeCall;
  reads: ReadServer;
  gate: Gate;
  ask: (...calls: [number, number, (Uint8Array | undefined)?, number?][]) => void;
} {
  const machine = new MachineRig();
  const gate = new Gate();
  const damaged = (): void => undefined;
  const context = {
    state: machine.state,
    headers: new ResponseHeaders(IDENTITY),
    quotaBytes: 0,
    keysOfLease: () => [],
    counts: new MaintenanceCounts(),
    damaged,
  };
  const reads = new ReadServer(machine.store, gate, createReadMethods(context), {
    mayAnswer: () => true,
    damaged,
  });
  const call = new FakeCall();
  reads.handler(call as unknown as StreamCall); // the parts of a call that the handler uses
  const ask = (...calls: [number, number, (Uint8Array | undefined)?, number?][]): void => {
    const none = new Uint8Array(0);
    const batch = calls.map(([id, requiredIndex, payload = none, method = StorageMethod.STORAGE_BARRIER]) => ({
      id,
      requiredIndex,
      payload,
      method,
      user: '',
      authRevision: 0,
      trace: none,
    }));
    call.receive(encodeCallBatch(batch));
  };
  return { machine, call, reads, gate, ask };
}

const noop = (machine: MachineRig): unknown => machine.apply(EntryKind.ENTRY_NOOP, new Uint8Array(0));

describe('reads', () => {
  it('wait for the gate, then for their index, and leave in index order', async () => {
    const { machine, call, reads, gate, ask } = rig();
    ask([1, 0], [2, 2], [3, 1], [4, 2]);
    expect(await call.answered()).toEqual([]);
    gate.open();
    expect(await call.answered()).toEqual(['1:0']);
    noop(machine);
    reads.afterApply();
    expect(await call.answered()).toEqual(['1:0', '3:0']);
    noop(machine);
    reads.afterApply();
    ask([5, 2]);
    expect(await call.answered()).toEqual(['1:0', '3:0', '2:0', '4:0', '5:0']);
  });

  it('answers bytes that make no sense and unknown methods with their errors', async () => {
    const { call, gate, ask } = rig();
    gate.open();
    ask([1, 0, Uint8Array.of(0xff), StorageMethod.STORAGE_RANGE], [2, 0, undefined, 999]);
    expect(await call.answered()).toEqual([`1:${Errors.MalformedRequest.id}`, `2:${Errors.UnknownMethod.id}`]);
  });

  it('says what the store refuses', async () => {
    const { call, gate, ask } = rig();
    gate.open();
    const future = encodeRangeRequest({ key: bytes('a'), revision: 9 });
    const method = StorageMethod.STORAGE_RANGE;
    ask([1, 0, future, method], [2, 0, encodeRangeRequest({}), method]);
    expect(await call.answered()).toEqual([`1:${Errors.FutureRev.id}`, `2:${Errors.EmptyKey.id}`]);
  });
});
