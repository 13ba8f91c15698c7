import type { IncomingMessage } from 'node:http';
import type { Metadata } from '../../../libs/rpc';

const PREFIX = 'grpc-metadata-';
const PASSED = new Set(['authorization', 'traceparent', 'tracestate']);
const TIMEOUT_UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000001,
};

/** gRPC metadata of a request: `Authorization`, the trace context, and every `Grpc-Metadata-<name>`. */
export function metadataOf({ rawHeaders }: IncomingMessage): Metadata {
  const metadata: Array<readonly [string, string]> = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    if (PASSED.has(name)) metadata.push([name, value]);
    else if (name.startsWith(PREFIX)) metadata.push([name.slice(PREFIX.length), value]);
  }
  return metadata;
}

/** Milliseconds of a `Grpc-Timeout` header; undefined if there is none or it can't be read. */
export function timeoutOf({ headers }: IncomingMessage): number | undefined {
  const header = headers['grpc-timeout'];
  const match = typeof header === 'string' ? /^(\d{1,8})([HMSmun])$/.exec(header) : null;
  if (match === null) return undefined;
  return Number(match[1]) * (TIMEOUT_UNIT_MS[match[2] ?? ''] ?? 0);
}
