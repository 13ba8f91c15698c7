import { encodePutRequest, encodeRangeRequest, encodeTxnRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { modRevisionRead, revisionOf, txnSucceeded } from './answers';
import { KEY_BYTES, KEYS, keyAt, spread, VALUE, writeKey } from './keys';

/**
 * What one client asks and how it judges the answers. A client has one request under way at a time, so it owns the bytes
 * of its request and only writes the key anew: encoding costs the generator nothing.
 */
export interface Requester {
  /** Of the request that `next` gave last. */
  readonly path: string;
  /** The next request; `sequence` counts the requests of all clients. Valid until the next call. */
  next(sequence: number): Uint8Array;
  /** What is wrong with an answer; undefined: nothing. */
  judge(response: Uint8Array): string | undefined;
}

/** Makes the requester of client `client` of `clients`. `revisions`: of the last change of each key. */
export type RequesterOf = (client: number, clients: number, revisions: Float64Array) => Requester;

const KEY_MARK = Buffer.from('\x01\x02\x03\x04\x05\x06\x07\x08', 'latin1');
const fine = (): undefined => undefined;

/** All places of the marked key in a request that was encoded with it. */
function markedKeys(request: Buffer): number[] {
  const places: number[] = [];
  for (let at = request.indexOf(KEY_MARK); at >= 0; at = request.indexOf(KEY_MARK, at + 1)) places.push(at);
  return places;
}

function oneKey(path: string, encoded: Uint8Array, judge: Requester['judge']): Requester {
  const request = Buffer.from(encoded);
  const [place = 0] = markedKeys(request);
  const next = (sequence: number): Uint8Array => {
    writeKey(request, place, spread(sequence));
    return request;
  };
  return { path, next, judge };
}

export const put: RequesterOf = () => oneKey(KV_PATHS.Put, encodePutRequest({ key: KEY_MARK, value: VALUE }), fine);

const hasValue = (response: Uint8Array): string | undefined =>
  response.length > VALUE.length ? undefined : 'the answer lacks the value';

export const linearizableRange: RequesterOf = () =>
  oneKey(KV_PATHS.Range, encodeRangeRequest({ key: KEY_MARK }), hasValue);

export const serializableRange: RequesterOf = () =>
  oneKey(KV_PATHS.Range, encodeRangeRequest({ key: KEY_MARK, serializable: true }), hasValue);

export const range1000: RequesterOf = () => {
  const judge = (response: Uint8Array): string | undefined =>
    response.length > 1_000 * VALUE.length ? undefined : 'the answer lacks keys';
  const next = (sequence: number): Uint8Array => {
    const from = spread(sequence, KEYS - 1_000);
    return encodeRangeRequest({ key: keyAt(from), rangeEnd: keyAt(from + 1_000) });
  };
  return { path: KV_PATHS.Range, next, judge };
};

/** 80 % linearizable reads, 20 % puts. */
export const mixed: RequesterOf = (...of) => {
  const read = linearizableRange(...of);
  const write = put(...of);
  let turn = read;
  return {
    get path() {
      return turn.path;
    },
    next: (sequence) => {
      turn = sequence % 5 === 0 ? write : read;
      return turn.next(sequence);
    },
    judge: (response) => turn.judge(response),
  };
};

/**
 * Compare-and-swap as a client does it: put if the key's mod revision is the one last seen, else read it. The client is
 * the only writer of its keys (every `clients`-th one), so each compare must hold.
 */
export const compareAndSwap: RequesterOf = (client, clients, revisions) =>
  new CompareAndSwap(client, clients, revisions);

class CompareAndSwap implements Requester {
  readonly path = KV_PATHS.Txn;
  private key: number;
  private request: Buffer = Buffer.alloc(0);
  private places: number[] = [];
  private revisionBytes = 0;

  constructor(
    client: number,
    private readonly clients: number,
    private readonly revisions: Float64Array,
  ) {
    this.key = client % KEYS;
  }

  next(): Uint8Array {
    this.key = (this.key + this.clients) % KEYS;
    const revision = this.revisions[this.key] ?? 0;
    if (varintBytes(revision) !== this.revisionBytes) this.build(revision);
    for (const place of this.places) writeKey(this.request, place, this.key);
    // In a compare the revision follows the key, behind a tag of one byte.
    writeVarint(this.request, (this.places[0] ?? 0) + KEY_BYTES + 1, revision);
    return this.request;
  }

  judge(response: Uint8Array): string | undefined {
    if (txnSucceeded(response)) {
      this.revisions[this.key] = revisionOf(response) ?? 0;
      return undefined;
    }
    this.revisions[this.key] = modRevisionRead(response) ?? 0;
    return 'a compare failed though nobody else writes the key';
  }

  private build(revision: number): void {
    const key = KEY_MARK;
    this.request = Buffer.from(
      encodeTxnRequest({
        compare: [{ result: 0, target: 2, key, modRevision: revision }],
        success: [{ requestPut: { key, value: VALUE } }],
        failure: [{ requestRange: { key } }],
      }),
    );
    this.places = markedKeys(this.request);
    this.revisionBytes = varintBytes(revision);
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

function writeVarint(bytes: Uint8Array, from: number, value: number): void {
  let at = from;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 0x80;
  bytes[at] = rest;
}
