import { STATUS_CODES } from 'node:http';
import type { RpcError } from '../../errors';
import { GrpcCode } from '../../errors';
import type { Metadata } from '../types';
import { ErrorCode } from './constants';
import type { Field, HeaderBlock } from './hpack-decoder';
import { decodeGrpcMessage } from './percent';

/** A response's headers or trailers, read once and shared by all calls that get the same block. */
export interface ResponseHead {
  /** 0 in trailers. */
  readonly httpStatus: number;
  readonly contentType: string | undefined;
  readonly encoding: string | undefined;
  /** −1: not given. */
  readonly grpcStatus: number;
  readonly grpcMessage: string;
  readonly metadata: Metadata;
}

const protocolFields = new Set([
  ':status',
  'content-type',
  'grpc-status',
  'grpc-message',
  'grpc-encoding',
  'grpc-accept-encoding',
  'accept-encoding',
  'date',
]);

export function responseHead(block: HeaderBlock): ResponseHead {
  return (block.meaning ??= interpret(block.fields)) as ResponseHead;
}

function interpret(fields: readonly Field[]): ResponseHead {
  const of = (wanted: string): string | undefined => fields.find(([name]) => name === wanted)?.[1];
  const status = of('grpc-status');
  return {
    httpStatus: Number(of(':status') ?? 0),
    contentType: of('content-type'),
    encoding: of('grpc-encoding'),
    grpcStatus: status === undefined ? -1 : /^\d{1,3}$/.test(status) ? Number(status) : GrpcCode.Unknown,
    grpcMessage: decodeGrpcMessage(of('grpc-message') ?? ''),
    metadata: fields.filter(([name]) => !protocolFields.has(name)),
  };
}

const codeOfHttpStatus: Readonly<Record<number, GrpcCode>> = {
  400: GrpcCode.Internal,
  401: GrpcCode.Unauthenticated,
  403: GrpcCode.PermissionDenied,
  404: GrpcCode.Unimplemented,
  429: GrpcCode.Unavailable,
  502: GrpcCode.Unavailable,
  503: GrpcCode.Unavailable,
  504: GrpcCode.Unavailable,
};

/** The mapping of gRPC's http-grpc-status-mapping document. */
export function errorOfHttpStatus({ httpStatus, contentType }: ResponseHead): RpcError {
  if (httpStatus === 200) {
    return { code: GrpcCode.Unknown, message: `received unexpected content-type "${contentType ?? ''}"` };
  }
  const text = STATUS_CODES[httpStatus] ?? '';
  return {
    code: codeOfHttpStatus[httpStatus] ?? GrpcCode.Unknown,
    message: `unexpected HTTP status code received from server: ${httpStatus} (${text})`,
  };
}

export function errorOfReset(code: number): RpcError {
  const name = Object.entries(ErrorCode).find(([, value]) => value === code)?.[0] ?? `code ${code}`;
  return { code: codeOfReset(code), message: `stream terminated by RST_STREAM with error code: ${name}` };
}

function codeOfReset(code: number): GrpcCode {
  switch (code) {
    case ErrorCode.RefusedStream:
      return GrpcCode.Unavailable;
    case ErrorCode.Cancel:
      return GrpcCode.Cancelled;
    case ErrorCode.EnhanceYourCalm:
      return GrpcCode.ResourceExhausted;
    case ErrorCode.InadequateSecurity:
      return GrpcCode.PermissionDenied;
    default:
      return GrpcCode.Internal;
  }
}
