import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Slab, type Store } from '../../../libs/mvcc';
import { createLogger } from '../../../libs/process';
import type { RpcError } from '../../../libs/errors';
import type { StreamCall } from '../../../libs/rpc';
import { currentGeneration, openStore } from '../../../libs/store';
import { decodeStoreCopyInstalled, decodeStoreCopyPart, encodeStoreCopyPart } from '../../../proto/gen/hexad';
import { MemberTable } from '../state/members';
import { saveIdentity, storedIdentity } from '../state/state';
import { CopyInServer } from './copy-in';
import { MaintenanceCounts } from '../maintenance-counts';
import { CopyOutServer } from './copy-out';
import { clearInstalled, readInstalled } from './installed';

const logger = createLogger('storage', 'fatal', 'm1');
const sender = { clusterId: 1n, memberId: 2n };
const receiver = { clusterId: 1n, memberId: 3n };
const member = { id: 2n, name: 'm2', peerUrls: ['http://h2:1'], clientUrls: ['http://h2:2'], isLearner: false };

/** One side of a stream, without a network. */
class Wire {
  readonly sent: Uint8Array[] = [];
  paused = false;
  maxPausedBytes = 0;
  outcome: RpcError | 'ok' | undefined;
  private callbacks: { message?: (bytes: Uint8Array) => void; half?: () => void; close?: () => void } = {};
  private waiters: (() => void)[] = [];

  readonly call = {
    onMessage: (callback: (bytes: Uint8Array) => void) => (this.callbacks.message = callback),
    onHalfClose: (callback: () => void) => (this.callbacks.half = callback),
    onClose: (callback: () => void) => (this.callbacks.close = callback),
    onDrain: () => undefined,
    pause: () => (this.paused = true),
    resume: () => (this.paused = false),
    send: (bytes: Uint8Array) => {
      this.sent.push(bytes);
      return true;
    },
    end: (error?: RpcError) => {
      if (this.outcome !== undefined) return;
      this.outcome = error ?? 'ok';
      this.callbacks.close?.();
      for (const waiter of this.waiters) waiter();
    },
  } as unknown as StreamCall;

  receive(bytes: Uint8Array): void {
    this.callbacks.message?.(bytes);
  }
  halfClose(): void {
    this.callbacks.half?.();
  }
  breaks(): void {
    this.callbacks.close?.();
  }
  ended(): Promise<RpcError | 'ok' | undefined> {
    if (this.outcome !== undefined) return Promise.resolve(this.outcome);
    return new Promise((resolve) => this.waiters.push(() => resolve(this.outcome)));
  }
}

let directory: string;
let source: Store;
let target: Store;
let restarts: string[];
let copyIn: CopyInServer;
const storeDir = (): string => join(directory, 'target');

function open(path: string): Store {
  return openStore({
    directory: path,
    onFatal: (error) => {
      throw error;
    },
  });
}

function put(store: Store, key: string, index: number): void {
  const request = { key: Buffer.from(key), value: Buffer.alloc(2000, key), lease: 0n };
  store.put({ ...request, prevKv: false, ignoreValue: false, ignoreLease: false }, { leaseExists: () => false });
  store.setApplied(index, 1);
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hexad-copy-'));
  source = open(join(directory, 'source'));
  target = open(storeDir());
  saveIdentity(source, sender);
  new MemberTable(source.table('members'), source.table('membersRemoved')).put(member);
  for (let i = 1; i <= 500; i += 1) put(source, `key-${i}`, i);
  saveIdentity(target, receiver);
  for (let i = 1; i <= 3; i += 1) put(target, `key-${i}`, i);
  restarts = [];
  copyIn = new CopyInServer({
    storeDir: storeDir(),
    identity: receiver,
    store: target,
    neededIndex: () => target.applied.index + 1,
    logger,
    counts: new MaintenanceCounts(),
    makeWay: () => Promise.resolve(),
    restart: (reason) => restarts.push(reason),
  });
});

afterEach(async () => {
  await Promise.all([source.close(), target.close()]);
  rmSync(directory, { recursive: true });
});

/** What the source says when asked for a copy. */
async function copyOut(): Promise<Uint8Array[]> {
  await source.flush();
  const wire = new Wire();
  new CopyOutServer(source, sender, logger, () => undefined, new MaintenanceCounts()).serve(wire.call);
  expect(await wire.ended()).toBe('ok');
  return wire.sent;
}

async function install(parts: readonly Uint8Array[]): Promise<Wire> {
  const wire = new Wire();
  copyIn.serve(wire.call);
  for (const part of parts) wire.receive(part);
  wire.halfClose();
  await wire.ended();
  return wire;
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('a copy becomes the store of the member that took it, under its own name, once the process starts anew', async () => {
  const wire = await install(await copyOut());
  expect(wire.outcome).toBe('ok');
  expect(decodeStoreCopyInstalled(wire.sent[0] as Uint8Array)).toEqual({ index: 500, term: 1 });
  await turns();
  expect(restarts).toHaveLength(1);
  // The old store serves to the end.
  expect(target.latest(Buffer.from('key-2'))?.modRevision).toBe(3);
  const generation = currentGeneration(storeDir());
  expect(generation).not.toBe(storeDir());
  expect(readInstalled(generation)).toEqual({
    index: 500,
    term: 1,
    members: [{ id: 2n, name: 'm2', peerUrls: ['http://h2:1'], isLearner: false }],
    removed: [],
  });
  const copied = open(generation);
  expect([copied.applied, copied.revision]).toEqual([source.applied, source.revision]);
  expect(storedIdentity(copied)).toEqual(receiver);
  expect(copied.latest(Buffer.from('key-500'))?.value).toEqual(source.latest(Buffer.from('key-500'))?.value);
  clearInstalled(generation);
  expect(readInstalled(generation)).toBeUndefined();
  await copied.close();
});

test.each<[string, (parts: Uint8Array[]) => Uint8Array[], RegExp]>([
  ['breaks off', (parts) => parts.slice(0, -1), /ended early/],
  ['has a damaged chunk', (parts) => [damaged(parts[0] as Uint8Array), ...parts.slice(1)], /damaged/],
  ['lacks a chunk', (parts) => parts.slice(1), /in place of 0/],
  ['is of another cluster', (parts) => withEnd(parts, { clusterId: 9n }), /another cluster/],
  ['does not stand where it says', (parts) => withEnd(parts, { index: 501 }), /stands at entry 500/],
  ['is malformed', (parts) => [Uint8Array.of(0xff, 0xff), ...parts], /malformed/],
])('a copy that %s changes nothing', async (_, change, reason) => {
  const wire = await install(change(await copyOut()));
  expect(wire.outcome).toMatchObject({ code: 10, message: expect.stringMatching(reason) });
  await turns();
  expect(restarts).toEqual([]);
  expect(currentGeneration(storeDir())).toBe(storeDir());
  expect(readdirSync(storeDir()).filter((name) => name.startsWith('generation'))).toEqual([]);
  expect(target.applied.index).toBe(3);
});

function damaged(part: Uint8Array): Uint8Array {
  const { chunk } = decodeStoreCopyPart(part);
  const bytes = chunk.slice();
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  return encodeStoreCopyPart({ chunk: bytes });
}

function withEnd(parts: Uint8Array[], change: { clusterId?: bigint; index?: number }): Uint8Array[] {
  const { end } = decodeStoreCopyPart(parts.at(-1) as Uint8Array);
  return [...parts.slice(0, -1), encodeStoreCopyPart({ end: { ...end, ...change } })];
}

test('a copy of an earlier state than the store has is no use', async () => {
  const parts = await copyOut();
  for (let i = 4; i <= 500; i += 1) put(target, `own-${i}`, i);
  expect((await install(parts)).outcome).toMatchObject({ message: expect.stringMatching(/is no use/) });
  expect(currentGeneration(storeDir())).toBe(storeDir());
});

test('when the sender has gone the attempt ends, and the next one counts', async () => {
  const parts = await copyOut();
  const first = new Wire();
  copyIn.serve(first.call);
  first.receive(parts[0] as Uint8Array);
  await turns();
  first.breaks();
  const second = await install(parts);
  expect(second.outcome).toBe('ok');
  expect(currentGeneration(storeDir())).not.toBe(storeDir());
});

test('a sender that is faster than the disk is held back', async () => {
  const wire = new Wire();
  copyIn.serve(wire.call);
  const chunk = new Slab().copy(new Uint8Array(1024 * 1024));
  for (let i = 0; i < 9; i += 1) wire.receive(encodeStoreCopyPart({ chunk }));
  expect(wire.paused).toBe(true);
  await wire.ended();
});
