export { BoltError, type BoltErrorKind } from './errors';
export { type BoltEntry, BoltFile, type ByteSource } from './reader';
export { type BoltBucket, type BoltPlan, type BoltRow, planBoltFile, writeBoltFile } from './writer';
