import { createHash } from 'node:crypto';
import { BoltFile } from '../../../libs/bbolt';
import { Errors } from '../../../libs/errors';
import { EtcdFile, STORAGE_VERSION } from '../../../libs/etcd-file';
import { createLogger } from '../../../libs/process';
import {
  encodeCompactionRequest,
  encodeDeleteRangeRequest,
  encodeLeaseGrantRequest,
  encodeLeaseRevokeRequest,
  encodePutRequest,
} from '../../../proto/gen/etcdserverpb';
import { type BackupChunk, decodeBackupChunk, EntryKind } from '../../../proto/gen/hexad';
import { Compactor } from '../compactor';
import { Gate } from '../gate';
import { MaintenanceCounts } from '../maintenance-counts';
import { bytes, MachineRig } from '../testing/machine-rig';
import { FakeCall } from '../testing/fake-call';
import { BackupServer } from './backup-server';

/** A client that reads a message only when it is told to. */
class SlowCall extends FakeCall {
  private taken = 0;
  private drainCallback: () => void = () => undefined;

  onDrain(callback: () => void): void {
    this.drainCallback = callback;
  }
  override send(message: Uint8Array): boolean {
    this.sent.push(message);
    return this.sent.length - this.taken < 2;
  }
  /** Reads all that has come; false once the stream has ended and nothing was left. */
  read(): boolean {
    const isMore = this.taken < this.sent.length || this.ended === undefined;
    this.taken = this.sent.length;
    this.drainCallback();
    return isMore;
  }
  get chunks(): BackupChunk[] {
    return this.sent.map((message) => decodeBackupChunk(message));
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const value = new Uint8Array(200).fill(0x76);

class Setup {
  readonly rig = new MachineRig();
  readonly compactor: Compactor;
  readonly server: BackupServer;

  constructor(stallMs = 60_000) {
    const fatal = (error: unknown): never => {
      throw error;
    };
    const gate = new Gate();
    gate.open();
    const { state, store } = this.rig;
    this.compactor = new Compactor(store, fatal);
    const logger = createLogger('storage', 'fatal', 'm1');
    this.server = new BackupServer({
      state,
      gate,
      compactor: this.compactor,
      logger,
      fatal,
      stallMs,
      counts: new MaintenanceCounts(),
    });
  }

  put(key: string, lease = 0n): void {
    this.rig.apply(EntryKind.ENTRY_PUT, encodePutRequest({ key: bytes(key), value, lease }));
  }

  compact(revision: number): void {
    this.rig.apply(EntryKind.ENTRY_COMPACTION, encodeCompactionRequest({ revision }));
    this.compactor.start();
  }

  /** The stored versions and the rest that a snapshot is to have. */
  stored(): unknown {
    const { store, state } = this.rig;
    const { versions } = store.versionSlice({ main: 0, sub: 0 }, store.revision, 1e9);
    return {
      versions: versions.map(({ modRevision, sub, isDelete, key }) => [
        modRevision,
        sub,
        isDelete,
        Buffer.from(key).toString(),
      ]),
      leases: [...state.leases.values()].map(({ id }) => id),
      compacted: store.compactRevision,
    };
  }
}

function fileOf(chunks: readonly BackupChunk[]): { file: Buffer; trailer: Buffer } {
  const all = Buffer.concat(chunks.map(({ blob }) => blob));
  return { file: all.subarray(0, all.length - 32), trailer: all.subarray(all.length - 32) };
}

function contents(file: Buffer): unknown {
  const database = BoltFile.open({
    size: file.length,
    read: (offset, length) => file.subarray(offset, offset + length),
  });
  const walk = database.check();
  while (!walk.next().done);
  const etcd = new EtcdFile(database);
  return {
    versions: [...etcd.versions()].map((version) =>
      'isMarker' in version
        ? version
        : [version.main, version.sub, version.isDelete, Buffer.from(version.key).toString()],
    ),
    leases: [...etcd.leases()].map(({ id }) => id),
    compacted: etcd.meta().compactScheduled,
  };
}

test('a snapshot is of the moment it began, whatever is written, compacted and revoked while it is read', async () => {
  const setup = new Setup();
  for (const ID of [5n, 6n]) setup.rig.apply(EntryKind.ENTRY_LEASE_GRANT, encodeLeaseGrantRequest({ ID, TTL: 100 }));
  for (let i = 0; i < 3_000; i++) setup.put(`key-${i % 500}`, i % 100 === 0 ? 5n : 0n);
  setup.compact(1_000);
  await new Promise<void>((resolve) => setup.compactor.afterwards(resolve));
  const expected = setup.stored();
  const { revision } = setup.rig.store;

  const call = new SlowCall();
  setup.server.serve(call.call);
  for (let round = 0; call.read(); round++) {
    await turn();
    // Applies never wait for the client.
    setup.put(`key-${round % 500}`);
    if (round === 3) setup.compact(revision);
    if (round === 5) {
      setup.rig.apply(EntryKind.ENTRY_LEASE_REVOKE, encodeLeaseRevokeRequest({ ID: 5n }));
      setup.rig.apply(
        EntryKind.ENTRY_DELETE_RANGE,
        encodeDeleteRangeRequest({ key: bytes('key-1'), rangeEnd: bytes('key-2') }),
      );
    }
  }
  expect(call.ended).toBe('ok');
  const { file, trailer } = fileOf(call.chunks);
  expect(trailer).toEqual(createHash('sha256').update(file).digest());
  expect(contents(file)).toEqual(expected);

  // What was compacted meanwhile is deleted once the snapshot is out.
  await new Promise<void>((resolve) => setup.compactor.afterwards(resolve));
  expect(setup.rig.store.isCompacting).toBe(false);
  expect(setup.rig.store.compactFinished).toBe(revision);
});

test('messages carry 32 KiB at most, count down what remains and end with the hash', async () => {
  const setup = new Setup();
  for (let i = 0; i < 1_000; i++) setup.put(`key-${i}`);
  const call = new SlowCall();
  setup.server.serve(call.call);
  while (call.read()) await turn();
  const { chunks } = call;
  const { file } = fileOf(chunks);
  expect(file.length % 4096).toBe(0);
  let left = file.length;
  for (const { blob, remainingBytes, version } of chunks.slice(0, -1)) {
    left -= blob.length;
    expect([blob.length <= 32 * 1024, remainingBytes, version]).toEqual([true, left, STORAGE_VERSION]);
  }
  expect([chunks.at(-1)?.blob.length, chunks.at(-1)?.remainingBytes]).toEqual([32, 0]);
  expect(chunks.length).toBe(Math.ceil(file.length / (32 * 1024)) + 1);
});

test('a store without keys gives a snapshot too', async () => {
  const setup = new Setup();
  const call = new SlowCall();
  setup.server.serve(call.call);
  while (call.read()) await turn();
  expect(contents(fileOf(call.chunks).file)).toEqual({ versions: [], leases: [], compacted: 0 });
});

test('a compaction half done when a snapshot begins is in it as half done', async () => {
  const setup = new Setup();
  for (let i = 0; i < 2_000; i++) setup.put(`key-${i % 10}`);
  setup.rig.apply(EntryKind.ENTRY_COMPACTION, encodeCompactionRequest({ revision: 1_500 }));
  setup.rig.store.compactSlice(500);
  const call = new SlowCall();
  setup.server.serve(call.call);
  while (call.read()) await turn();
  const { versions, compacted } = contents(fileOf(call.chunks).file) as { versions: unknown[]; compacted: number };
  expect(compacted).toBe(1_500);
  expect(versions.length).toBeGreaterThan(510);
  expect(versions.length).toBeLessThan(2_000);
  expect(versions).toEqual((setup.stored() as { versions: unknown[] }).versions);
});

test('a client that goes away, or stops reading, lets compaction go on', async () => {
  const setup = new Setup(30);
  for (let i = 0; i < 2_000; i++) setup.put(`key-${i}`);
  const [leaves, stalls] = [new SlowCall(), new SlowCall()];
  for (const call of [leaves, stalls]) setup.server.serve(call.call);
  while (leaves.sent.length < 3 || stalls.sent.length < 3) {
    leaves.read();
    if (stalls.sent.length < 3) stalls.read();
    await turn();
  }
  setup.compact(1_000);
  leaves.close();
  await new Promise<void>((resolve) => setup.compactor.afterwards(resolve));
  expect(setup.rig.store.compactFinished).toBe(1_000);
  expect(stalls.ended).toMatchObject({ message: 'etcdserver: the snapshot is not being read' });
});

test('no more than four are streamed at a time', async () => {
  const setup = new Setup();
  for (let i = 0; i < 1_000; i++) setup.put(`key-${i}`);
  const calls = Array.from({ length: 5 }, () => new SlowCall());
  for (const call of calls) setup.server.serve(call.call);
  expect(calls[4]?.ended).toBe(Errors.TooManyRequests);
  calls[0]?.close();
  const next = new SlowCall();
  setup.server.serve(next.call);
  while (next.read()) await turn();
  expect(next.ended).toBe('ok');
  for (const call of calls) call.close();
});
