import { Metadata as GrpcMetadata } from '@grpc/grpc-js';
import type { GrpcCode, RpcError } from '../../errors';
import type { Metadata } from '../types';

/** Names that belong to the protocol, not to the application. */
const reserved = new Set([
  'content-type',
  'te',
  'date',
  'accept-encoding',
  'grpc-status',
  'grpc-message',
  'grpc-encoding',
  'grpc-accept-encoding',
  'grpc-timeout',
]);

export function toGrpcMetadata(metadata: Metadata | undefined): GrpcMetadata {
  const result = new GrpcMetadata();
  for (const [name, value] of metadata ?? []) {
    result.add(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return result;
}

export function fromGrpcMetadata(metadata: GrpcMetadata | undefined): Metadata {
  if (metadata === undefined) return [];
  const result: Array<readonly [string, string]> = [];
  for (const [name, values] of Object.entries(metadata.toHttp2Headers())) {
    if (reserved.has(name) || values === undefined) continue;
    for (const value of Array.isArray(values) ? values : [String(values)]) result.push([name, value]);
  }
  return result;
}

export function toRpcError(code: number, message: string): RpcError {
  return { code: code as GrpcCode, message };
}

/** A view as Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function sameBuffer(bytes: Buffer): Buffer {
  return bytes;
}
