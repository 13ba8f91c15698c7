import { Errors, type CatalogueError } from '../../libs/errors';
import type { MvccError } from '../../libs/mvcc';

const BY_NAME: Readonly<Record<MvccError, CatalogueError>> = {
  compacted: Errors.Compacted,
  'future-revision': Errors.FutureRev,
  'key-not-found': Errors.KeyNotFound,
  'lease-not-found': Errors.LeaseNotFound,
  'invalid-sort-option': Errors.InvalidSortOption,
  'empty-key': Errors.EmptyKey,
  'value-provided': Errors.ValueProvided,
  'lease-provided': Errors.LeaseProvided,
  'too-many-ops': Errors.TooManyOps,
  'duplicate-key': Errors.DuplicateKey,
  'too-large': Errors.LargeAnswer,
};

/** The client's error for a refusal of the store. */
export function mvccError(error: MvccError): CatalogueError {
  return BY_NAME[error];
}
