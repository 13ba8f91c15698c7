export { LeaseTimer } from './lease-timer';
export { TimeHeap } from './time-heap';
export type { Checkpoint, GrantedLease, LeaseTimingOptions, Renewal } from './types';
