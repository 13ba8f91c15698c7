import { type Channel, connect } from '../../../libs/rpc';
import { decodeWatchResponse, encodeWatchRequest, WATCH_PATHS } from '../../../proto/gen/etcdserverpb';

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

/** One watch and all it has seen. */
export interface Watcher {
  readonly key: string;
  createdAt: number;
  readonly revisions: number[];
  lastValue: string;
}

/** Many watchers on a few streams of one client, which are never opened again: their server must keep them. */
export class Watchers {
  readonly all: Watcher[] = [];
  /** Whatever must not happen. */
  readonly problems: string[] = [];
  private readonly channels: Channel[] = [];
  private ending = false;

  /** One stream with a watch of each of these keys; a `prefix` watches all that begins with it. */
  stream(endpoint: string, keys: readonly string[], options: { prefix?: boolean; startRevision?: number } = {}): void {
    const [host = '', port = ''] = endpoint.split(':');
    const channel = connect({ kind: 'tcp', host, port: Number(port) }, { maxReceiveBytes: 1 << 28 });
    this.channels.push(channel);
    const stream = channel.stream(WATCH_PATHS.Watch);
    const watchers = keys.map((key): Watcher => ({ key, createdAt: 0, revisions: [], lastValue: '' }));
    this.all.push(...watchers);
    stream.onMessage((message) => this.receive(watchers, message));
    stream.onClose((error) => {
      if (!this.ending) this.problems.push(`a stream ended: ${error?.message ?? 'OK'}`);
    });
    const { prefix = false, startRevision = 0 } = options;
    keys.forEach((name, at) => {
      const key = Buffer.from(name);
      const rangeEnd = prefix ? Buffer.concat([key.subarray(0, -1), Buffer.from([(key.at(-1) ?? 0) + 1])]) : undefined;
      stream.send(encodeWatchRequest({ createRequest: { key, rangeEnd, startRevision, watchId: at + 1 } }));
    });
  }

  get areCreated(): boolean {
    return this.all.every(({ createdAt }) => createdAt > 0);
  }

  close(): void {
    this.ending = true;
    for (const channel of this.channels) channel.close();
  }

  private receive(watchers: readonly Watcher[], message: Uint8Array): void {
    const { watchId, created, canceled, cancelReason, header, events } = decodeWatchResponse(message);
    const watcher = watchers[Number(watchId) - 1];
    if (watcher === undefined || canceled) {
      this.problems.push(`watch ${String(watchId)} was canceled: ${cancelReason}`);
      return;
    }
    if (created) {
      if (watcher.createdAt !== 0) this.problems.push('a watch was created twice');
      watcher.createdAt = Number(header?.revision ?? 0);
    }
    for (const { kv } of events) {
      watcher.revisions.push(Number(kv?.modRevision));
      watcher.lastValue = text(kv?.value);
    }
  }
}
