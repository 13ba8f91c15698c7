export { WatchCore, type WatchCounters } from './core';
export { deliveryBytes, encodeDeliveries } from './encode';
export {
  DEFAULT_WATCH_LIMITS,
  type Delivery,
  type HistoryRequest,
  type KeyEvent,
  type LiveBatch,
  type Revision,
  type Target,
  type WatchCreate,
  type WatchLimits,
  type WatchOutput,
  WHOLE_SESSION,
} from './types';
