export {
  checkCompaction,
  checkDeleteRange,
  checkLeaseGrant,
  checkPut,
  checkRange,
  checkRangeStream,
  checkTxn,
  decodeOrUndefined,
  type ReadShape,
  type TxnShape,
} from './check';
