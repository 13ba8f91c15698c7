export type { Int64 } from './int64';
export { DEPTH_MAX, Reader, WireType } from './reader';
export { WireError } from './wire-error';
export { acquireWriter, sizeDelimited, sizeInt64, sizeString, Writer } from './writer';
