import {
  Compare_CompareResult as CompareResult,
  Compare_CompareTarget as CompareTarget,
  type CompareInput,
  decodeCompactionResponse,
  decodeDeleteRangeResponse,
  decodeLeaseRevokeResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeTxnResponse,
  type DeleteRangeResponse,
  encodeCompactionRequest,
  encodeDeleteRangeRequest,
  encodeLeaseRevokeRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
  KV_PATHS,
  LEASE_PATHS,
  type PutResponse,
  type RangeResponse,
  type RequestOpInput,
  type ResponseHeader,
} from '../../proto/gen/etcdserverpb';
import type { KeyValue } from '../../proto/gen/mvccpb';
import type {
  Compare,
  DeleteRequest,
  Kv,
  PutRequest,
  RangeRequest,
  Request,
  Result,
  TxnOperation,
  TxnOperationResult,
} from '../linearizability';

/** Between the checker's requests and answers and etcd's messages. Strings have one character per byte. */
export interface Decoded {
  readonly header: ResponseHeader | undefined;
  readonly result: Result;
}

export function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

export function toKv(kv: KeyValue): Kv {
  return {
    key: Buffer.from(kv.key).toString('latin1'),
    value: Buffer.from(kv.value).toString('latin1'),
    create: Number(kv.createRevision),
    mod: Number(kv.modRevision),
    version: Number(kv.version),
    lease: kv.lease === 0n ? '' : kv.lease.toString(16),
  };
}

export function encodeRequest(request: Request): { readonly path: string; readonly bytes: Uint8Array } {
  switch (request.kind) {
    case 'put':
      return { path: KV_PATHS.Put, bytes: encodePutRequest(put(request)) };
    case 'range':
      return { path: KV_PATHS.Range, bytes: encodeRangeRequest(range(request)) };
    case 'delete':
      return { path: KV_PATHS.DeleteRange, bytes: encodeDeleteRangeRequest(remove(request)) };
    case 'txn': {
      const { compares, success, failure } = request;
      const message = {
        compare: compares.map(compare),
        success: success.map(operation),
        failure: failure.map(operation),
      };
      return { path: KV_PATHS.Txn, bytes: encodeTxnRequest(message) };
    }
    case 'compact':
      return { path: KV_PATHS.Compact, bytes: encodeCompactionRequest({ revision: request.revision }) };
    case 'revoke':
      return { path: LEASE_PATHS.LeaseRevoke, bytes: encodeLeaseRevokeRequest({ ID: BigInt(`0x${request.lease}`) }) };
  }
}

function put({ key, value, lease, prevKv }: PutRequest): NonNullable<RequestOpInput['requestPut']> {
  return { key: bytes(key), value: bytes(value), lease: BigInt(`0x${lease ?? '0'}`), prevKv: prevKv === true };
}

function range({ key, end, revision, serializable, limit }: RangeRequest): NonNullable<RequestOpInput['requestRange']> {
  return {
    key: bytes(key),
    rangeEnd: bytes(end ?? ''),
    revision: revision ?? 0,
    serializable: serializable === true,
    limit: limit ?? 0,
  };
}

function remove({ key, end, prevKv }: DeleteRequest): NonNullable<RequestOpInput['requestDeleteRange']> {
  return { key: bytes(key), rangeEnd: bytes(end ?? ''), prevKv: prevKv === true };
}

function operation(one: TxnOperation): RequestOpInput {
  if (one.kind === 'put') return { requestPut: put(one) };
  return one.kind === 'range' ? { requestRange: range(one) } : { requestDeleteRange: remove(one) };
}

const RELATIONS = {
  '=': CompareResult.EQUAL,
  '!=': CompareResult.NOT_EQUAL,
  '<': CompareResult.LESS,
  '>': CompareResult.GREATER,
};

function compare({ key, target, relation, operand }: Compare): CompareInput {
  const common = { key: bytes(key), result: RELATIONS[relation] };
  if (target === 'value') return { ...common, target: CompareTarget.VALUE, value: bytes(String(operand)) };
  const number = Number(operand);
  if (target === 'mod') return { ...common, target: CompareTarget.MOD, modRevision: number };
  if (target === 'create') return { ...common, target: CompareTarget.CREATE, createRevision: number };
  return { ...common, target: CompareTarget.VERSION, version: number };
}

export function decodeAnswer(request: Request, answer: Uint8Array): Decoded {
  switch (request.kind) {
    case 'put': {
      const response = decodePutResponse(answer);
      return { header: response.header, result: putResult(request, response) };
    }
    case 'range': {
      const response = decodeRangeResponse(answer);
      return { header: response.header, result: rangeResult(response) };
    }
    case 'delete': {
      const response = decodeDeleteRangeResponse(answer);
      return { header: response.header, result: deleteResult(request, response) };
    }
    case 'txn': {
      const { header, succeeded, responses } = decodeTxnResponse(answer);
      const branch = succeeded ? request.success : request.failure;
      const results = branch.map((one, at): TxnOperationResult => {
        const { responsePut, responseRange, responseDeleteRange } = responses[at] ?? {};
        if (one.kind === 'put' && responsePut !== undefined) return putResult(one, responsePut);
        if (one.kind === 'range' && responseRange !== undefined) return rangeResult(responseRange);
        if (one.kind === 'delete' && responseDeleteRange !== undefined) return deleteResult(one, responseDeleteRange);
        throw new Error(`the answer of a transaction lacks a ${one.kind}`);
      });
      return { header, result: { kind: 'txn', succeeded, results } };
    }
    case 'compact':
      return { header: decodeCompactionResponse(answer).header, result: { kind: 'done' } };
    case 'revoke':
      return { header: decodeLeaseRevokeResponse(answer).header, result: { kind: 'done' } };
  }
}

function putResult({ prevKv }: PutRequest, response: PutResponse): TxnOperationResult {
  if (prevKv !== true) return { kind: 'put' };
  return { kind: 'put', prev: response.prevKv === undefined ? undefined : toKv(response.prevKv) };
}

function rangeResult({ kvs, count, more }: RangeResponse): TxnOperationResult {
  return { kind: 'range', kvs: kvs.map(toKv), count: Number(count), more };
}

function deleteResult({ prevKv }: DeleteRequest, { deleted, prevKvs }: DeleteRangeResponse): TxnOperationResult {
  return { kind: 'delete', deleted: Number(deleted), ...(prevKv === true ? { prevs: prevKvs.map(toKv) } : {}) };
}
