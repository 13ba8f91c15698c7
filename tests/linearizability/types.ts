/**
 * Keys and values are strings of one character per byte, so that their order is that of the bytes. Times are milliseconds
 * of one monotonic clock.
 */
export interface Kv {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  /** '' without one. */
  readonly lease: string;
}

export interface PutRequest {
  readonly kind: 'put';
  readonly key: string;
  readonly value: string;
  readonly lease?: string;
  readonly prevKv?: boolean;
}
export interface RangeRequest {
  readonly kind: 'range';
  readonly key: string;
  /** As in etcd: absent: one key; '\0': all from `key` on. */
  readonly end?: string;
  readonly revision?: number;
  readonly serializable?: boolean;
  readonly limit?: number;
}
export interface DeleteRequest {
  readonly kind: 'delete';
  readonly key: string;
  readonly end?: string;
  readonly prevKv?: boolean;
}
export type TxnOperation = PutRequest | RangeRequest | DeleteRequest;
export interface Compare {
  readonly key: string;
  readonly target: 'value' | 'mod' | 'create' | 'version';
  readonly relation: '=' | '!=' | '<' | '>';
  readonly operand: string | number;
}
export interface TxnRequest {
  readonly kind: 'txn';
  readonly compares: readonly Compare[];
  readonly success: readonly TxnOperation[];
  readonly failure: readonly TxnOperation[];
}
export interface CompactRequest {
  readonly kind: 'compact';
  readonly revision: number;
}
/** Deletes the keys that hang on a lease. A lease that expires is one whose outcome is unknown. */
export interface RevokeRequest {
  readonly kind: 'revoke';
  readonly lease: string;
}
export type Request = TxnOperation | TxnRequest | CompactRequest | RevokeRequest;

export interface PutResult {
  readonly kind: 'put';
  readonly prev?: Kv | undefined;
}
export interface RangeResult {
  readonly kind: 'range';
  readonly kvs: readonly Kv[];
  readonly count: number;
  readonly more: boolean;
}
export interface DeleteResult {
  readonly kind: 'delete';
  readonly deleted: number;
  readonly prevs?: readonly Kv[];
}
export type TxnOperationResult = PutResult | RangeResult | DeleteResult;
export interface TxnResult {
  readonly kind: 'txn';
  readonly succeeded: boolean;
  readonly results: readonly TxnOperationResult[];
}
/** Also of compact and revoke, which answer nothing else than the header. */
export interface DoneResult {
  readonly kind: 'done';
}
export type Result = TxnOperationResult | TxnResult | DoneResult;

export type Outcome =
  | { readonly kind: 'ok'; readonly revision: number; readonly result: Result }
  /** It may have taken effect, or may still. */
  | { readonly kind: 'unknown' }
  /** Refused with an error that says something about the store. Other refusals have no place in a history. */
  | { readonly kind: 'compacted' | 'future' };

export interface Operation {
  readonly id: number;
  readonly client: string;
  readonly call: number;
  /** Infinity when the outcome is unknown. */
  readonly return: number;
  readonly request: Request;
  readonly outcome: Outcome;
}

/** What one revision did to one key. */
export interface Change {
  readonly key: string;
  /** undefined: deleted. */
  readonly kv: Kv | undefined;
}

export interface HistoryStart {
  /** etcd's first revision is 1. */
  readonly revision: number;
  readonly kvs: readonly Kv[];
}

export interface History {
  readonly start: HistoryStart;
  readonly operations: readonly Operation[];
}

export function inRange(key: string, from: string, end: string | undefined): boolean {
  if (end === undefined) return key === from;
  return key >= from && (end === '\0' || key < end);
}
