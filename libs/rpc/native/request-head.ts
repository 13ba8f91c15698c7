import type { Metadata } from '../types';
import type { Field, HeaderBlock } from './hpack-decoder';
import { parseTimeout } from './timeout';

/** A request's header block, read once and shared by all calls that repeat it. */
export interface RequestHead {
  /** Breaks RFC 9113, 8.1–8.3: a stream error. */
  readonly malformed: boolean;
  readonly method: string;
  readonly path: string;
  readonly scheme: string;
  readonly authority: string;
  readonly contentType: string | undefined;
  readonly grpc: boolean;
  /** Milliseconds; undefined: none. NaN: malformed. */
  readonly timeoutMs: number | undefined;
  readonly timeoutText: string;
  readonly encoding: string | undefined;
  /** −1: not given. */
  readonly contentLength: number;
  /** What belongs to the application. */
  readonly metadata: Metadata;
  /** Size as SETTINGS_MAX_HEADER_LIST_SIZE counts it. */
  readonly bytes: number;
  /** All fields that are not pseudo-fields. */
  readonly fields: readonly Field[];
}

const connectionFields = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);
const protocolFields = new Set([
  'content-type',
  'te',
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
  'accept-encoding',
  'content-length',
]);
const pseudoFields = new Set([':method', ':path', ':scheme', ':authority']);

export function requestHead(block: HeaderBlock): RequestHead {
  return (block.meaning ??= interpret(block)) as RequestHead;
}

function interpret({ fields, bytes }: HeaderBlock): RequestHead {
  const pseudo: Record<string, string> = {};
  const regular: Field[] = [];
  let malformed = false;
  for (const field of fields) {
    const [name, value] = field;
    if (!name.startsWith(':')) {
      malformed ||= !isLegalField(name, value);
      regular.push(field);
      continue;
    }
    malformed ||= regular.length > 0 || !pseudoFields.has(name) || pseudo[name] !== undefined;
    pseudo[name] = value;
  }
  const method = pseudo[':method'];
  const path = pseudo[':path'];
  const scheme = pseudo[':scheme'];
  malformed ||= !method || !path || !scheme;
  const contentType = lastValue(regular, 'content-type');
  const timeoutText = lastValue(regular, 'grpc-timeout');
  const contentLength = lastValue(regular, 'content-length');
  const badLength = contentLength !== undefined && !/^\d{1,15}$/.test(contentLength);
  return {
    malformed: malformed || badLength,
    method: method ?? '',
    path: path ?? '',
    scheme: scheme ?? '',
    authority: pseudo[':authority'] ?? '',
    contentType,
    grpc: contentType !== undefined && /^application\/grpc($|[+;])/.test(contentType),
    timeoutMs: timeoutText === undefined ? undefined : (parseTimeout(timeoutText) ?? Number.NaN),
    timeoutText: timeoutText ?? '',
    encoding: lastValue(regular, 'grpc-encoding'),
    contentLength: contentLength === undefined ? -1 : Number(contentLength),
    metadata: regular.filter(([name]) => !protocolFields.has(name)),
    bytes,
    fields: regular,
  };
}

/** RFC 9113, 8.2: lower case, no controls, nothing that belongs to the connection. */
function isLegalField(name: string, value: string): boolean {
  if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) return false;
  if (connectionFields.has(name)) return false;
  if (name === 'te' && value.toLowerCase() !== 'trailers') return false;
  // biome-ignore lint: controls are what is looked for
  return !/[\0\r\n]/.test(value);
}

function lastValue(fields: readonly Field[], wanted: string): string | undefined {
  let found: string | undefined;
  for (const [name, value] of fields) if (name === wanted) found = value;
  return found;
}

/** A request's trailers may hold anything but pseudo-fields. */
export function trailersAreLegal(block: HeaderBlock): boolean {
  return block.fields.every(([name, value]) => isLegalField(name, value));
}
