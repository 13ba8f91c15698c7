export { checkLinearizable, type Verdict } from './check';
export { formatOperations } from './report';
export { StoreModel } from './store-model';
export * from './types';
export { checkWatch, type WatchEvent, type WatchMessage, type WatchRecord, type WatchRules } from './watch';
