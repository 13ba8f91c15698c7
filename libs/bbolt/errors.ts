/** What is wrong with a file that is no sound bbolt database. */
export type BoltErrorKind =
  | 'truncated'
  | 'not-a-database'
  | 'bad-version'
  | 'bad-checksum'
  | 'bad-meta'
  | 'page-out-of-range'
  | 'page-used-twice'
  | 'bad-page'
  | 'unsorted-keys'
  | 'too-deep'
  | 'too-large';

/** The file can't be read, or what is to be written can't be; the message says what and where. */
export class BoltError extends Error {
  override readonly name = 'BoltError';

  constructor(
    readonly kind: BoltErrorKind,
    message: string,
  ) {
    super(message);
  }
}
