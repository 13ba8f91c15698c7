/** Defaults of the engine, in bytes and milliseconds. Services override them by option. */
export const defaultMaxReceiveBytes = 64 * 1024 * 1024;
export const defaultHighWaterBytes = 1024 * 1024;
export const defaultConnectTimeoutMs = 5000;
export const defaultKeepaliveTimeoutMs = 20_000;
export const defaultHandshakeTimeoutMs = 10_000;
