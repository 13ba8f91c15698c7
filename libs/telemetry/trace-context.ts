/** Which request a piece of work belongs to (W3C Trace Context). */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ENCODED_BYTES = 25;

/** Reads a `traceparent` header; undefined when it is malformed, has all-zero ids or the invalid version ff. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const [, version = '', traceId = '', spanId = '', flags = '', extra = ''] = TRACEPARENT.exec(text ?? '') ?? [];
  if (version === '' || version === 'ff' || (version === '00' && extra !== '')) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-0${context.sampled ? 1 : 0}`;
}

/** The form that entries and internal calls carry: 16 B trace id, 8 B span id, 1 B flags. */
export function encodeTrace(context: TraceContext): Uint8Array {
  const bytes = Buffer.allocUnsafe(ENCODED_BYTES);
  bytes.write(context.traceId, 0, 'hex');
  bytes.write(context.spanId, 16, 'hex');
  bytes[24] = context.sampled ? 1 : 0;
  return bytes;
}

/** undefined for the empty field of a request that is not sampled, and for anything of another length. */
export function decodeTrace(bytes: Uint8Array): TraceContext | undefined {
  if (bytes.length !== ENCODED_BYTES) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    traceId: view.toString('hex', 0, 16),
    spanId: view.toString('hex', 16, 24),
    sampled: ((bytes[24] as number) & 1) === 1,
  };
}
