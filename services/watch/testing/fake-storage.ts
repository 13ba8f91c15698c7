import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesToMapKey, compareBytes } from '../../../libs/interval-tree';
import { type Address, batchHandler, createServer, type RpcServer, type StreamCall } from '../../../libs/rpc';
import {
  decodeEventsRequest,
  decodeHistoryRequest,
  encodeEventBatch,
  encodeStorageStatus,
  type HistoryRequest,
  type RevisionEventsInput,
  STORAGE_PATHS,
  type WatchedEventInput,
} from '../../../proto/gen/hexad';
import { encodeKeyValue } from '../../../proto/gen/mvccpb';

const text = new TextEncoder();

/** The parts of storage that a hub uses, in memory. */
export class FakeStorage {
  readonly directory = mkdtempSync(join(tmpdir(), 'hexad-watch-'));
  readonly address: Address = { kind: 'unix', path: join(this.directory, 'storage.sock') };
  historyReads = 0;
  compactRevision = 0;
  revision = 1;
  private readonly history: { revision: number; events: WatchedEventInput[]; previous: (Uint8Array | undefined)[] }[] =
    [];
  private readonly latest = new Map<string, { kv: Uint8Array; revision: number }>();
  /** How each hub wants events, as it said last. */
  private readonly feeds = new Map<StreamCall, 'stream' | 'bus' | 'none'>();
  /** What is published on the event bus; undefined: there is none. */
  onBus: ((message: Uint8Array) => void) | undefined;
  clusterId = 0n;
  memberId = 0n;
  private server: RpcServer | undefined;

  async start(): Promise<void> {
    this.server = createServer();
    this.server.addHandlers({
      stream: {
        [STORAGE_PATHS.Read]: batchHandler((calls, peer) => {
          for (const call of calls) {
            const status = { revision: this.revision, compactRevision: this.compactRevision };
            peer.reply(call.id, 0, encodeStorageStatus(status));
          }
        }),
        [STORAGE_PATHS.Events]: (call) => this.follow(call),
        [STORAGE_PATHS.History]: (call) =>
          call.onMessage((message) => this.answer(call, decodeHistoryRequest(message))),
      },
    });
    await this.server.listen(this.address);
  }

  /** Breaks every connection; `start` brings it back. */
  async stop(): Promise<void> {
    await this.server?.close();
    this.server = undefined;
    this.feeds.clear();
  }

  async destroy(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Writes without telling the hubs. */
  writeSilently(key: string, value: string | undefined): RevisionEventsInput {
    this.revision += 1;
    const name = text.encode(key);
    const id = bytesToMapKey(name);
    const before = this.latest.get(id);
    const kv = encodeKeyValue({ key: name, modRevision: this.revision, value: text.encode(value ?? '') });
    const event = { key: name, isDelete: value === undefined, kv, previousRevision: before?.revision ?? 0 };
    this.history.push({ revision: this.revision, events: [event], previous: [before?.kv] });
    if (value === undefined) this.latest.delete(id);
    else this.latest.set(id, { kv, revision: this.revision });
    return { revision: this.revision, events: [event] };
  }

  write(key: string, value: string | undefined): number {
    const revisions = [this.writeSilently(key, value)];
    this.publish(this.revision - 1, revisions);
    return this.revision;
  }

  heartbeat(): void {
    this.publish(this.revision, []);
  }

  /** What events say of their commit. */
  committedAtMicros: () => number = () => 0;

  private publish(previousRevision: number, revisions: RevisionEventsInput[]): void {
    const { revision: currentRevision, compactRevision } = this;
    const committedAtMicros = this.committedAtMicros();
    const { clusterId, memberId } = this;
    const message = encodeEventBatch({
      previousRevision,
      revisions,
      currentRevision,
      compactRevision,
      raftTerm: 3,
      committedAtMicros,
      clusterId,
      memberId,
    });
    for (const [feed, wish] of this.feeds) if (wish === 'stream' || revisions.length === 0) feed.send(message);
    this.onBus?.(message);
  }

  get wishes(): ('stream' | 'bus' | 'none')[] {
    return [...this.feeds.values()];
  }

  /** How many hubs want events. */
  get following(): number {
    return this.wishes.filter((wish) => wish !== 'none').length;
  }

  private follow(call: StreamCall): void {
    call.onClose(() => this.feeds.delete(call));
    call.onMessage((message) => {
      this.heard += 1;
      const { idle, bus } = decodeEventsRequest(message);
      this.feeds.set(call, idle ? 'none' : bus ? 'bus' : 'stream');
      const { revision: previousRevision, revision: currentRevision, clusterId, memberId } = this;
      call.send(encodeEventBatch({ previousRevision, currentRevision, clusterId, memberId }));
      this.onWish();
    });
  }

  /** How often a hub has said whether it wants events. */
  heard = 0;
  /** Runs when a hub has said whether it wants events. */
  onWish: () => void = () => undefined;

  private answer(call: StreamCall, request: HistoryRequest): void {
    this.historyReads += 1;
    if (request.fromRevision < this.compactRevision) {
      call.send(encodeEventBatch({ error: 9, compactRevision: this.compactRevision }));
      call.end();
      return;
    }
    for (const item of this.history) {
      if (item.revision < request.fromRevision || item.revision > request.toRevision) continue;
      const events = item.events
        .map((event, i) => (request.prevKv ? { ...event, prevKv: item.previous[i] } : event))
        .filter((event) => wanted(event.key as Uint8Array, request));
      if (events.length === 0) continue;
      call.send(encodeEventBatch({ revisions: [{ revision: item.revision, events }], currentRevision: this.revision }));
    }
    call.end();
  }
}

function wanted(key: Uint8Array, { key: begin, rangeEnd }: HistoryRequest): boolean {
  if (begin.length === 0) return true;
  if (rangeEnd.length === 0) return compareBytes(begin, key) === 0;
  const open = rangeEnd.length === 1 && rangeEnd[0] === 0;
  return compareBytes(begin, key) <= 0 && (open || compareBytes(key, rangeEnd) < 0);
}
