import type { RpcError } from '../errors';
import { type Address, type Channel, type ClientStream, connect, type Metadata, type TlsClientOptions } from '../rpc';
import {
  AUTH_PATHS,
  CLUSTER_PATHS,
  decodeAuthenticateResponse,
  decodeDeleteRangeResponse,
  decodeDowngradeResponse,
  decodeHashKVResponse,
  decodeMemberListResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeStatusResponse,
  decodeTxnResponse,
  decodeWatchResponse,
  type DeleteRangeRequestInput,
  type DeleteRangeResponse,
  encodeAuthenticateRequest,
  encodeDeleteRangeRequest,
  type DowngradeRequest_DowngradeAction,
  encodeDowngradeRequest,
  encodeHashKVRequest,
  encodeMemberListRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeStatusRequest,
  encodeTxnRequest,
  encodeWatchRequest,
  KV_PATHS,
  MAINTENANCE_PATHS,
  type MemberListResponse,
  type PutRequestInput,
  type PutResponse,
  type RangeRequestInput,
  type RangeResponse,
  type StatusResponse,
  type TxnRequestInput,
  type TxnResponse,
  WATCH_PATHS,
  type WatchCreateRequestInput,
  type WatchResponse,
} from '../../proto/gen/etcdserverpb';
import {
  decodeInsightDocument,
  encodeInsightLogLevelRequest,
  encodeInsightSlowestRequest,
  encodeInsightTopRequest,
  encodeInsightTraceRequest,
  INSIGHT_PATHS,
} from '../../proto/gen/hexad';
import type { RequestBreakdown, SlowestDocument, TopDocument } from './insight-types';

export interface ClientOptions {
  /** `host:port`, or a URL of it. */
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly tls?: TlsClientOptions;
  readonly user?: { readonly name: string; readonly password: string };
  /** A token that the caller has already. */
  readonly token?: string;
  /** Ask with each request where its time goes. */
  readonly timing?: boolean;
}

/** What a request failed with: gRPC code and etcd's text. */
export class RequestError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

const RECEIVE_BYTES_MAX = 2 ** 31 - 1;

/** A typed client of one member. It never repeats a request, so that an error says exactly what is known of it. */
export class Client {
  /** `hexad-timing` of the last request that had one. */
  lastTiming = '';
  /** Name of the last request in the member's memory: see `trace`. */
  lastRequestId = '';
  private readonly channel: Channel;
  private token: Promise<string> | undefined;

  constructor(private readonly options: ClientOptions) {
    const { address, isTls } = parseEndpoint(options.endpoint);
    const tls = isTls || options.tls !== undefined ? { tls: options.tls ?? {} } : {};
    this.channel = connect(address, {
      ...tls,
      maxReceiveBytes: RECEIVE_BYTES_MAX,
      connectTimeoutMs: options.timeoutMs,
    });
    if (options.token !== undefined) this.token = Promise.resolve(options.token);
  }

  async range(request: RangeRequestInput): Promise<RangeResponse> {
    return decodeRangeResponse(await this.unary(KV_PATHS.Range, encodeRangeRequest(request)));
  }

  async put(request: PutRequestInput): Promise<PutResponse> {
    return decodePutResponse(await this.unary(KV_PATHS.Put, encodePutRequest(request)));
  }

  async deleteRange(request: DeleteRangeRequestInput): Promise<DeleteRangeResponse> {
    return decodeDeleteRangeResponse(await this.unary(KV_PATHS.DeleteRange, encodeDeleteRangeRequest(request)));
  }

  async txn(request: TxnRequestInput): Promise<TxnResponse> {
    return decodeTxnResponse(await this.unary(KV_PATHS.Txn, encodeTxnRequest(request)));
  }

  async status(): Promise<StatusResponse> {
    return decodeStatusResponse(await this.unary(MAINTENANCE_PATHS.Status, encodeStatusRequest({})));
  }

  /** Validates, begins or (without a version) cancels a downgrade; the cluster's version. */
  async downgrade(action: DowngradeRequest_DowngradeAction, version = ''): Promise<string> {
    const request = encodeDowngradeRequest({ action, version });
    return decodeDowngradeResponse(await this.unary(MAINTENANCE_PATHS.Downgrade, request)).version;
  }

  /** Hash of all keys at a revision; 0: the current one. */
  async hashKv(revision: number): Promise<number> {
    return decodeHashKVResponse(await this.unary(MAINTENANCE_PATHS.HashKV, encodeHashKVRequest({ revision }))).hash;
  }

  async memberList(linearizable: boolean): Promise<MemberListResponse> {
    return decodeMemberListResponse(
      await this.unary(CLUSTER_PATHS.MemberList, encodeMemberListRequest({ linearizable })),
    );
  }

  /** Calls back with each answer until the returned function is called or the stream ends. */
  async watch(
    request: WatchCreateRequestInput,
    onResponse: (response: WatchResponse) => void,
    onEnd: (error: RequestError | undefined) => void,
  ): Promise<() => void> {
    const stream: ClientStream = this.channel.stream(WATCH_PATHS.Watch, { metadata: await this.metadata() });
    stream.onMessage((message) => onResponse(decodeWatchResponse(message)));
    stream.onClose((error) => onEnd(error === undefined ? undefined : asError(error)));
    stream.send(encodeWatchRequest({ createRequest: request }));
    return () => stream.cancel();
  }

  /** The slowest requests that the member remembers, and its durations by stage. */
  async slowest(count: number, seconds: number): Promise<SlowestDocument> {
    return (await this.document(
      INSIGHT_PATHS.Slowest,
      encodeInsightSlowestRequest({ count, seconds }),
    )) as SlowestDocument;
  }

  /** By request id or trace id; undefined: the member does not remember it. */
  async trace(id: string): Promise<RequestBreakdown | undefined> {
    const found = (await this.document(
      INSIGHT_PATHS.Trace,
      encodeInsightTraceRequest({ id }),
    )) as Partial<RequestBreakdown>;
    return found.id === undefined ? undefined : (found as RequestBreakdown);
  }

  /** What the member does now. `probeDisk`: it measures the disk of its WAL too, which takes up to a second. */
  async top({ probeDisk = false } = {}): Promise<TopDocument> {
    return (await this.document(INSIGHT_PATHS.Top, encodeInsightTopRequest({ probeDisk }))) as TopDocument;
  }

  /** Log levels by process, after the change; an empty level only asks. */
  async logLevel(level: string): Promise<Record<string, string>> {
    return (await this.document(INSIGHT_PATHS.LogLevel, encodeInsightLogLevelRequest({ level }))) as Record<
      string,
      string
    >;
  }

  close(): void {
    this.channel.close();
  }

  private async document(path: string, request: Uint8Array): Promise<unknown> {
    return JSON.parse(decodeInsightDocument(await this.unary(path, request)).json);
  }

  private async unary(path: string, request: Uint8Array): Promise<Uint8Array> {
    return this.call(path, request, await this.metadata());
  }

  private call(path: string, request: Uint8Array, metadata: Metadata): Promise<Uint8Array> {
    const { timeoutMs } = this.options;
    return new Promise((resolve, reject) => {
      this.channel.unary(path, request, { metadata, timeoutMs }, (result) => {
        this.noteTiming(result.trailers);
        if (result.ok) resolve(result.response);
        else reject(asError(result.error));
      });
    });
  }

  private noteTiming(trailers: Metadata): void {
    const value = (name: string): string => trailers.find(([key]) => key === name)?.[1] ?? '';
    const timing = value('hexad-timing');
    if (timing === '') return;
    this.lastTiming = timing;
    this.lastRequestId = value('hexad-request-id');
  }

  private async metadata(): Promise<Metadata> {
    const { user, timing } = this.options;
    if (user !== undefined) this.token ??= this.authenticate(user);
    const token = await this.token;
    const metadata: (readonly [string, string])[] = [];
    if (token !== undefined) metadata.push(['token', token]);
    if (timing === true) metadata.push(['hexad-timing', '1']);
    return metadata;
  }

  private async authenticate({ name, password }: { name: string; password: string }): Promise<string> {
    const response = await this.call(AUTH_PATHS.Authenticate, encodeAuthenticateRequest({ name, password }), []);
    return decodeAuthenticateResponse(response).token;
  }
}

function asError({ code, message }: RpcError): RequestError {
  return new RequestError(code, message);
}

/** `host:port`, `http://host:port`, `https://…`, `unix://path`. @throws RangeError */
export function parseEndpoint(endpoint: string): { readonly address: Address; readonly isTls: boolean } {
  const [, scheme = 'http', rest = ''] = /^(?:(\w+):\/\/)?(.*)$/.exec(endpoint) ?? [];
  const isTls = scheme === 'https' || scheme === 'unixs';
  if (scheme.startsWith('unix')) return { address: { kind: 'unix', path: rest }, isTls };
  const [, host = '', port = ''] = /^(\[[^\]]+\]|[^:/]+):(\d+)\/?$/.exec(rest) ?? [];
  if (port === '') throw new RangeError(`not an endpoint: ${endpoint}`);
  return { address: { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port: Number(port) }, isTls };
}

/** The end of the range of all keys that begin with `prefix`: etcd's convention; a zero byte: to the end of all keys. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let at = prefix.length - 1; at >= 0; at--) {
    const byte = prefix[at] as number;
    if (byte === 0xff) continue;
    const end = Uint8Array.from(prefix.subarray(0, at + 1)); // a slice of a Buffer would be the same bytes
    end[at] = byte + 1;
    return end;
  }
  return Uint8Array.of(0);
}
