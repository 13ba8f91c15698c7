/** Bytes that are not a protobuf message of the expected kind, or a value that can't be written as its field's type. */
export class WireError extends Error {
  override readonly name = 'WireError';
}
