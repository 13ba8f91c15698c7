export { bytesToMapKey, compareBytes } from './bytes';
export { type KeyRange, parseKeyRange, rangeContains } from './key-range';
export { RangeIndex } from './range-index';
export { IntervalTree, type RangeEnd } from './tree';
