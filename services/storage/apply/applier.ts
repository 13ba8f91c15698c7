import type { CatalogueError } from '../../../libs/errors';
import type { Position, RevisionChanges } from '../../../libs/mvcc';
import type { Command } from './command';

/** What applying one entry gives. `error` is set exactly when nothing of the request took effect. */
export interface ApplyOutcome {
  readonly error: CatalogueError | undefined;
  /** The complete etcd response; empty with an error and for entries that only processes of the member propose. */
  readonly response: Uint8Array;
  /** The revision that was made, if one was. */
  readonly made: RevisionChanges | undefined;
  /** The answer is due only when the logged compaction has been carried out physically. */
  readonly afterCompaction: boolean;
}

/** The narrow interface of the apply chain: each decorator refuses, or hands on to the next. Deterministic and total. */
export interface Applier {
  apply(command: Command, position: Position): ApplyOutcome;
}

const NO_BYTES = new Uint8Array(0);
const DONE: ApplyOutcome = { error: undefined, response: NO_BYTES, made: undefined, afterCompaction: false };

/** Done, with nothing to say. */
export function done(): ApplyOutcome {
  return DONE;
}

export function answered(response: Uint8Array, made?: RevisionChanges): ApplyOutcome {
  return { error: undefined, response, made, afterCompaction: false };
}

export function refused(error: CatalogueError): ApplyOutcome {
  return { error, response: NO_BYTES, made: undefined, afterCompaction: false };
}
