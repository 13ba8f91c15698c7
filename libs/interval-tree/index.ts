export { bytesToMapKey, compareBytes, mapKeyToBytes } from './bytes';
export {
  type KeptRange,
  keptRange,
  keptRangeContains,
  keptRangeKeys,
  type KeyRange,
  parseKeyRange,
  rangeContains,
} from './key-range';
export { RangeIndex } from './range-index';
export { IntervalTree, type RangeEnd } from './tree';
