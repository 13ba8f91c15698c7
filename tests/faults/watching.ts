import { decodeWatchResponse, encodeWatchRequest, WATCH_PATHS, type WatchResponse } from '../../proto/gen/etcdserverpb';
import { Event_EventType as EventType } from '../../proto/gen/mvccpb';
import type { Change, WatchEvent, WatchMessage, WatchRecord } from '../linearizability';
import { waitFor } from '../system/support/wait-for';
import { type ClientStream, MemberClient } from './client';
import { bytes, toKv } from './wire';

const AGAIN_MS = 100;
const PROGRESS_MS = 300;
/** A stream that says nothing for so long, progress asked for included, is given up as a client would. */
const SILENCE_MS = 4_000;

export interface Watched {
  readonly key: string;
  readonly end: string;
  /** 0: from now on. */
  readonly start: number;
  readonly prevKv: boolean;
}

interface Recording {
  readonly record: WatchRecord;
  readonly messages: WatchMessage[];
}

/** A client that watches one range all the time; when its stream ends it goes on at the next member where it was. */
export class WatchingClient {
  /** One record for each stream. */
  readonly recordings: Recording[] = [];
  private readonly clients: MemberClient[];
  private at: number;
  private stream: ClientStream | undefined;
  private next: number;
  private told = 0;
  private heardAt = 0;
  private stopped = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly name: string,
    private readonly watched: Watched,
    endpoints: readonly string[],
    first: number,
  ) {
    this.clients = endpoints.map((endpoint) => new MemberClient(endpoint));
    this.at = first % endpoints.length;
    this.next = watched.start;
    this.timer = setInterval(() => this.tick(), PROGRESS_MS);
    this.open();
  }

  /** Everything up to here has been told. */
  get reached(): number {
    return this.told;
  }

  async untilReached(revision: number, timeoutMs: number): Promise<void> {
    await waitFor(
      `${this.name} to be told revision ${revision} (it is at ${this.told})`,
      () => this.told >= revision,
      timeoutMs,
    );
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
    this.stream?.cancel();
    for (const client of this.clients) client.close();
  }

  private open(): void {
    const { key, end, prevKv } = this.watched;
    const messages: WatchMessage[] = [];
    const client = this.clients[this.at] as MemberClient; // at is within
    const record: WatchRecord = {
      client: `${this.name}@${client.endpoint}`,
      key,
      end,
      start: this.next,
      prevKv,
      messages,
    };
    this.recordings.push({ record, messages });
    this.heardAt = performance.now();
    const stream = client.stream(
      WATCH_PATHS.Watch,
      (answer) => this.hear(messages, decodeWatchResponse(answer)),
      () => this.again(),
    );
    this.stream = stream;
    const createRequest = { key: bytes(key), rangeEnd: bytes(end), startRevision: this.next, prevKv };
    stream.send(encodeWatchRequest({ createRequest }));
  }

  private again(): void {
    this.stream = undefined;
    if (this.stopped) return;
    this.at = (this.at + 1) % this.clients.length;
    setTimeout(() => {
      if (!this.stopped) this.open();
    }, AGAIN_MS);
  }

  private tick(): void {
    if (this.stream === undefined) return;
    if (performance.now() - this.heardAt > SILENCE_MS) this.stream.cancel();
    else this.stream.send(encodeWatchRequest({ progressRequest: {} }));
  }

  private hear(messages: WatchMessage[], response: WatchResponse): void {
    this.heardAt = performance.now();
    const revision = Number(response.header?.revision ?? 0);
    if (response.canceled) {
      const compactRevision = Number(response.compactRevision);
      messages.push({ kind: 'cancelled', compactRevision });
      if (compactRevision > 0) this.next = compactRevision;
      this.stream?.cancel();
    } else if (response.created) {
      messages.push({ kind: 'created', revision });
      if (this.next === 0) this.advance(revision);
    } else if (response.events.length === 0) {
      messages.push({ kind: 'progress', revision });
      if (revision >= this.next) this.advance(revision);
    } else {
      const events = response.events.map(toEvent);
      messages.push({ kind: 'events', revision, events });
      this.advance(events[events.length - 1]?.kv.mod ?? revision);
    }
  }

  private advance(revision: number): void {
    this.told = Math.max(this.told, revision);
    this.next = this.told + 1;
  }
}

function toEvent({ type, kv, prevKv }: WatchResponse['events'][number]): WatchEvent {
  if (kv === undefined) throw new Error('an event without a key');
  const kind = type === EventType.DELETE ? 'delete' : 'put';
  return { kind, kv: toKv(kv), ...(prevKv === undefined ? {} : { prev: toKv(prevKv) }) };
}

/** What the watches say of each revision: evidence for requests that have no answer. */
export function eventsByRevision(clients: readonly WatchingClient[]): Map<number, Change[]> {
  const found = new Map<number, Change[]>();
  for (const { messages } of clients.flatMap(({ recordings }) => recordings)) {
    for (const message of messages) {
      if (message.kind !== 'events') continue;
      for (const { kind, kv } of message.events) {
        let changes = found.get(kv.mod);
        if (changes === undefined) found.set(kv.mod, (changes = []));
        if (!changes.some(({ key }) => key === kv.key))
          changes.push({ key: kv.key, kv: kind === 'put' ? kv : undefined });
      }
    }
  }
  return found;
}
