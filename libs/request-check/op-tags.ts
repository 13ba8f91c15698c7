/** Field tags of TxnRequest (number × 8 + wire type). */
export const COMPARE_TAG = 0x0a;
export const SUCCESS_TAG = 0x12;
export const FAILURE_TAG = 0x1a;

/** Field tags of RequestOp. */
export const RANGE_TAG = 0x0a;
export const PUT_TAG = 0x12;
export const DELETE_RANGE_TAG = 0x1a;
export const TXN_TAG = 0x22;

/** Field tags of Compare, PutRequest and DeleteRangeRequest. */
export const COMPARE_KEY_TAG = 0x1a;
export const KEY_TAG = 0x0a;
export const RANGE_END_TAG = 0x12;
