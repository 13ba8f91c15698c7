import { Errors } from '../../../libs/errors';
import { encodeCompactionRequest, encodeDeleteRangeRequest, encodePutRequest } from '../../../proto/gen/etcdserverpb';
import { decodeEventBatch, encodeHistoryRequest, EntryKind, type EventBatch } from '../../../proto/gen/hexad';
import { Gate } from '../gate';
import { FakeCall } from '../testing/fake-call';
import { bytes, IDENTITY, MachineRig } from '../testing/machine-rig';
import { HistoryServer } from './history';

/** What a read from `fromRevision` on is answered. */
function read({ store }: MachineRig, fromRevision: number): EventBatch[] {
  const gate = new Gate();
  gate.open();
  const fake = new FakeCall();
  new HistoryServer(store, IDENTITY, gate).serve(fake.call);
  fake.receive(encodeHistoryRequest({ fromRevision, toRevision: store.revision }));
  return fake.sent.map((message) => decodeEventBatch(message));
}

const revisionsOf = (batches: readonly EventBatch[]): number[] =>
  batches.flatMap(({ revisions }) => revisions.map(({ revision }) => Number(revision)));

test.each([false, true])(
  'history goes back to the compacted revision itself, a deletion there too (physically deleted: %s)',
  async (isDeleted) => {
    const rig = new MachineRig();
    const put = (key: string): unknown =>
      rig.apply(EntryKind.ENTRY_PUT, encodePutRequest({ key: bytes(key), value: bytes('v') }));
    put('a'); // 2
    put('a'); // 3
    rig.apply(EntryKind.ENTRY_DELETE_RANGE, encodeDeleteRangeRequest({ key: bytes('a') })); // 4
    put('b'); // 5
    rig.apply(EntryKind.ENTRY_COMPACTION, encodeCompactionRequest({ revision: 4 }));
    if (isDeleted) while (!rig.store.compactSlice(2)) await rig.store.flush();
    await rig.store.flush();
    const exactly = read(rig, 4);
    expect(exactly.map(({ error }) => error)).toEqual(exactly.map(() => 0));
    expect(revisionsOf(exactly)).toEqual([4, 5]);
    expect(read(rig, 3).map(({ error }) => error)).toEqual([Errors.Compacted.id]);
  },
);
