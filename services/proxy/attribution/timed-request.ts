import type { ConnectionInfo, Metadata } from '../../../libs/rpc';
import type { OpStats } from './op-stats';

/** A client's unary call as the attribution of its time sees it. */
export interface TimedRequest {
  readonly call: { readonly receivedAt: number; readonly connection: ConnectionInfo; readonly metadata: Metadata };
  readonly stats: { readonly path: string; readonly ops: OpStats };
  readonly body: Uint8Array;
  readonly trace: Uint8Array;
  /** Until it was known who calls; 0: at once. */
  authMicros: number;
  /** From its arrival until it was waited for something outside of the pipelines; 0: nothing was. */
  readonly calledAfterMicros: number;
  /** The client asked for its timing. */
  readonly wantsTiming: boolean;
  /** Set once a pipeline has taken the request. */
  progress: Progress | undefined;
}

/** How far a request is; microseconds of the host's clock. */
export interface Progress {
  readonly submittedAt: number;
  /** When it left this process; 0: it has not. */
  readonly handedOverAt: number;
}
