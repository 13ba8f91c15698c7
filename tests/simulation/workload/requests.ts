import type { RpcError } from '../../../libs/errors';
import {
  decodeDeleteRangeResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeTxnResponse,
  decodeLeaseGrantResponse,
  decodeLeaseRevokeResponse,
  decodeCompactionResponse,
  encodeCompactionRequest,
  encodeDeleteRangeRequest,
  encodeLeaseGrantRequest,
  encodeLeaseRevokeRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
} from '../../../proto/gen/etcdserverpb';
import { decodeLeaseRemaining, encodeLeaseId, EntryKind, LeaseMethod, StorageMethod } from '../../../proto/gen/hexad';
import type { Answer } from '../../../services/proxy/answer';
import { NOBODY } from '../../../services/proxy/identity';
import type { Edge } from '../cluster/edge-process';
import { type KeyChange, latin1 } from '../cluster/truth';
import type { Operation, OperationKind, Outcome } from './operation';

/** A request as a client means it, and how it is sent through a member's proxy. */
export interface Request {
  readonly kind: OperationKind;
  readonly linearizable: boolean;
  readonly range?: Operation['range'];
  readonly writes?: readonly KeyChange[];
  readonly lease?: Operation['lease'];
  send(edge: Edge, done: (outcome: Outcome) => void): void;
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

interface Header {
  readonly header: { readonly revision: number | bigint } | undefined;
}

function revisionOf({ header }: Header): number {
  return Number(header?.revision ?? 0);
}

function answer(done: (outcome: Outcome) => void, read: (response: Uint8Array) => Outcome): Answer {
  return {
    cancelled: false,
    reply: (response) => done(read(response)),
    fail: (error) => done(failure(error)),
  };
}

function failure(error: RpcError & { readonly outcome?: string }): Outcome {
  return { kind: 'error', error, definite: error.outcome === 'definite' };
}

function write(kind: number, body: Uint8Array, read: (response: Uint8Array) => Outcome): Pick<Request, 'send'> {
  return { send: (edge, done) => edge.writes.submit(kind, body, NOBODY, answer(done, read)) };
}

const plain =
  (decode: (response: Uint8Array) => Header) =>
  (response: Uint8Array): Outcome => ({
    kind: 'ok',
    revision: revisionOf(decode(response)),
  });

export function put(key: string, value: string, lease = 0n): Request {
  const body = encodePutRequest({ key: bytes(key), value: bytes(value), lease });
  const sent = write(EntryKind.ENTRY_PUT, body, plain(decodePutResponse));
  return { kind: 'put', linearizable: true, writes: [{ key, value }], ...sent };
}

export function remove(key: string): Request {
  const body = encodeDeleteRangeRequest({ key: bytes(key) });
  const sent = write(EntryKind.ENTRY_DELETE_RANGE, body, (response) => {
    const decoded = decodeDeleteRangeResponse(response);
    return { kind: 'ok', revision: revisionOf(decoded), changed: Number(decoded.deleted) > 0 };
  });
  return { kind: 'delete', linearizable: true, writes: [{ key, value: undefined }], ...sent };
}

/** If the key has this value, sets it and writes others with it; else changes nothing. */
export function swap(key: string, expected: string, writes: readonly KeyChange[]): Request {
  const success = writes.map(({ key: each, value }) =>
    value === undefined
      ? { requestDeleteRange: { key: bytes(each) } }
      : { requestPut: { key: bytes(each), value: bytes(value) } },
  );
  const compare = [{ target: 3, result: 0, key: bytes(key), value: bytes(expected) }];
  const failureOps = [{ requestRange: { key: bytes(key) } }];
  const sent = write(EntryKind.ENTRY_TXN, encodeTxnRequest({ compare, success, failure: failureOps }), (response) => {
    const decoded = decodeTxnResponse(response);
    return { kind: 'ok', revision: revisionOf(decoded), changed: decoded.succeeded };
  });
  return { kind: 'txn', linearizable: true, writes, ...sent };
}

export interface ReadOptions {
  readonly isPrefix?: boolean;
  readonly serializable?: boolean;
  readonly revision?: number;
}

export function get(key: string, options: ReadOptions = {}): Request {
  const { isPrefix = false, serializable = false, revision = 0 } = options;
  const last = key.charCodeAt(key.length - 1);
  const rangeEnd = isPrefix ? bytes(key.slice(0, -1) + String.fromCharCode(last + 1)) : bytes('');
  const payload = encodeRangeRequest({ key: bytes(key), rangeEnd, revision });
  return {
    kind: serializable ? 'serializable' : revision > 0 ? 'old-revision' : isPrefix ? 'range' : 'get',
    linearizable: !serializable,
    range: { key, isPrefix, revision },
    send: (edge, done) => {
      const method = StorageMethod.STORAGE_RANGE;
      const told = answer(done, (response) => {
        const decoded = decodeRangeResponse(response);
        const kvs = decoded.kvs.map((kv) => [latin1(kv.key), latin1(kv.value)] as const);
        return { kind: 'ok', revision: revisionOf(decoded), kvs };
      });
      if (serializable) edge.reads.serializable(method, payload, NOBODY, told);
      else edge.reads.linearizable(method, payload, NOBODY, told);
    },
  };
}

export function compact(revision: number, physical: boolean): Request {
  const body = encodeCompactionRequest({ revision, physical });
  return {
    kind: 'compact',
    linearizable: true,
    ...write(EntryKind.ENTRY_COMPACTION, body, plain(decodeCompactionResponse)),
  };
}

export function grant(id: bigint, ttl: number): Request {
  const body = encodeLeaseGrantRequest({ ID: id, TTL: ttl });
  const sent = write(EntryKind.ENTRY_LEASE_GRANT, body, plain(decodeLeaseGrantResponse));
  return { kind: 'grant', linearizable: false, lease: { id, ttl }, ...sent };
}

export function revoke(id: bigint, ttl: number): Request {
  const body = encodeLeaseRevokeRequest({ ID: id });
  const sent = write(EntryKind.ENTRY_LEASE_REVOKE, body, plain(decodeLeaseRevokeResponse));
  return { kind: 'revoke', linearizable: true, lease: { id, ttl }, ...sent };
}

export function keepAlive(id: bigint, ttl: number): Request {
  return {
    kind: 'keep-alive',
    linearizable: false,
    lease: { id, ttl },
    send: (edge, done) => {
      edge.leases.call(LeaseMethod.LEASE_KEEP_ALIVE, encodeLeaseId({ id }), {}, ({ error, payload }) => {
        if (error !== 0) done({ kind: 'unknown' });
        else done({ kind: 'ok', revision: 0, ttl: Number(decodeLeaseRemaining(payload).ttl) });
      });
    },
  };
}
