/** Malformed header block: a connection error COMPRESSION_ERROR. */
export class HpackError extends Error {}
