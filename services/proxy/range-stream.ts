import type { RpcError } from '../../libs/errors';
import { failpoint } from '../../libs/failpoints';
import { RANGE_STREAM_FIRST_KEYS } from '../../libs/limits';
import {
  decodeRangeRequest,
  decodeRangeResponse,
  encodeRangeRequest,
  encodeRangeStreamResponse,
  type RangeRequest,
  type RangeResponse,
} from '../../proto/gen/etcdserverpb';
import { StorageMethod } from '../../proto/gen/hexad';
import type { Answer } from './answer';
import { isRefused } from './auth/authenticator';
import { checkRangeStream } from '../../libs/request-check';
import { type Identity, NOBODY } from './identity';
import type { ReadPipeline } from './reads';
import type { StreamRequest } from './requests';
import type { Router } from './router';

const LIMIT_MAX = 100_000;

const beforeChunk = failpoint('beforeRangeStreamChunk');

export interface RangeStreamOptions {
  readonly reads: ReadPipeline;
  readonly router: Router;
  /** A chunk aims at this size. */
  readonly maxRequestBytes: number;
}

/** KV.RangeStream: pages of one pinned revision; header, `more` and `count` come with the last message alone. */
export function streamRange(options: RangeStreamOptions, request: StreamRequest): void {
  let started = false;
  request.onMessage((message) => {
    if (started) return;
    started = true;
    const { metadata, connection } = request.call;
    options.router.identify(metadata, connection, (identity) => {
      if (isRefused(identity)) request.end(identity);
      else new RangeStream(options, request, identity).begin(message);
    });
  });
}

class RangeStream implements Answer {
  private identity: Identity = NOBODY;
  private request: RangeRequest = decodeRangeRequest(new Uint8Array(0));
  private pageLimit = RANGE_STREAM_FIRST_KEYS;
  private sent = 0;
  private limit = 0;
  /** Of the first page: what the last message tells. */
  private first: RangeResponse | undefined;

  constructor(
    private readonly options: RangeStreamOptions,
    private readonly stream: StreamRequest,
    identity: Identity,
  ) {
    this.identity = identity;
  }

  get cancelled(): boolean {
    return this.stream.closed;
  }

  begin(message: Uint8Array): void {
    const { error } = checkRangeStream(message);
    if (error !== undefined) return this.fail(error);
    this.request = decodeRangeRequest(message);
    const { limit } = this.request;
    this.limit = limit > 0 ? Number(limit) : Number.POSITIVE_INFINITY;
    this.askFirst();
  }

  fail(error: RpcError): void {
    this.stream.end(error);
  }

  reply(bytes: Uint8Array): void {
    beforeChunk.reach();
    const page = decodeRangeResponse(bytes);
    this.first ??= page;
    const { first } = this;
    this.sent += page.kvs.length;
    const isLast = !page.more || this.sent >= this.limit || page.kvs.length === 0;
    const more = first.count > this.sent && this.limit !== Number.POSITIVE_INFINITY;
    const response = isLast ? { header: first.header, kvs: page.kvs, more, count: first.count } : { kvs: page.kvs };
    const room = this.stream.send(encodeRangeStreamResponse({ rangeResponse: response }));
    if (isLast) {
      this.stream.end();
      return;
    }
    this.adapt(bytes.length);
    const last = page.kvs[page.kvs.length - 1]?.key ?? new Uint8Array(0);
    if (room) this.askNext(last);
    else this.stream.call.onDrain(() => this.askNext(last));
  }

  private askFirst(): void {
    const { reads } = this.options;
    const payload = encodeRangeRequest({ ...this.request, limit: this.page() });
    if (this.request.serializable) reads.serializable(StorageMethod.STORAGE_RANGE, payload, this.identity, this);
    else reads.linearizable(StorageMethod.STORAGE_RANGE, payload, this.identity, this);
  }

  /** Later pages are read at the revision of the first, which every member has that has served it. */
  private askNext(lastKey: Uint8Array): void {
    if (this.stream.closed) return;
    const key = new Uint8Array(lastKey.length + 1);
    key.set(lastKey);
    const revision = this.request.revision > 0 ? this.request.revision : (this.first?.header?.revision ?? 0);
    const payload = encodeRangeRequest({ ...this.request, key, revision, limit: this.page() });
    this.options.reads.serializable(StorageMethod.STORAGE_RANGE, payload, this.identity, this);
  }

  private page(): number {
    return this.request.countOnly ? 0 : Math.min(this.pageLimit, this.limit - this.sent);
  }

  private adapt(bytes: number): void {
    const target = this.options.maxRequestBytes;
    if (bytes < target / 2) this.pageLimit = Math.min(this.pageLimit * 2, LIMIT_MAX);
    else if (bytes > target) this.pageLimit = Math.max(1, this.pageLimit >> 1);
  }
}
