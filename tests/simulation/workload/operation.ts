import type { RpcError } from '../../../libs/errors';
import type { KeyChange } from '../cluster/truth';

export type OperationKind =
  | 'put'
  | 'delete'
  | 'txn'
  | 'get'
  | 'range'
  | 'serializable'
  | 'old-revision'
  | 'compact'
  | 'grant'
  | 'revoke'
  | 'keep-alive'
  | 'conf-change';

/** What a client got back. */
export type Outcome =
  | {
      readonly kind: 'ok';
      /** The header's revision; 0: the answer has none. */
      readonly revision: number;
      /** Of reads: every key of the range with its value. */
      readonly kvs?: readonly (readonly [string, string])[];
      /** Of writes: whether anything was changed. */
      readonly changed?: boolean;
      /** Of a keep-alive: seconds; 0: the lease is gone. */
      readonly ttl?: number;
    }
  /** `definite`: the cluster says that it had and will have no effect. */
  | { readonly kind: 'error'; readonly error: RpcError; readonly definite: boolean }
  /** The client gave up, or its connection broke. */
  | { readonly kind: 'unknown' };

/** One request of one client, from start to end. */
export interface Operation {
  readonly id: number;
  readonly kind: OperationKind;
  readonly client: string;
  readonly member: string;
  readonly invokedAt: number;
  /** Must see everything that was completed before it began. */
  readonly linearizable: boolean;
  /** Of reads: the prefix or key, and the revision asked for (0: the current one). */
  readonly range?: { readonly key: string; readonly isPrefix: boolean; readonly revision: number };
  /** Of writes: the changes that it makes if it makes any. Values are never used twice. */
  readonly writes?: readonly KeyChange[];
  readonly lease?: { readonly id: bigint; readonly ttl: number };
  completedAt: number;
  outcome: Outcome | undefined;
}
