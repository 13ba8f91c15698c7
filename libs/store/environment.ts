import { crc32 } from 'node:zlib';
import type { Environment } from '../mvcc';

const { latin1Slice } = Buffer.prototype as unknown as {
  readonly latin1Slice: (this: Uint8Array, start: number, end: number) => string;
};

/** Node's own functions, which work on any Uint8Array. */
export const nodeEnvironment: Environment = {
  crc32: (bytes) => crc32(bytes),
  latin1: (bytes) => latin1Slice.call(bytes, 0, bytes.length),
};
