/** One HTTP request and its answer. Loaded with the first request: it brings the schema of all messages with it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Errors, GrpcCode, type RpcError } from '../../../libs/errors';
import { WireError } from '../../../libs/wire';
import { type JsonMethod, jsonMethods } from '../../../proto/gen/json_schema';
import type { GatewayBackend, GatewayCall } from './backend';
import { httpStatusOf, unaryErrorBody } from './errors';
import { JsonInputError } from './json-text';
import { parseMessage } from './parse-message';

export interface Exchange {
  readonly path: string;
  readonly method: JsonMethod;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly backend: GatewayBackend;
  readonly call: GatewayCall;
  /** Largest message in protobuf form. */
  readonly messageBytesMax: number;
}

/** JSON is at most this much larger than the message it stands for (base64, names, white space within reason). */
const JSON_GROWTH = 4;

export function methodOf(path: string): JsonMethod {
  const method = jsonMethods[path];
  if (method === undefined) throw new Error(`no method ${path}`);
  return method;
}

export function bodyBytesMax({ messageBytesMax }: Exchange): number {
  return messageBytesMax * JSON_GROWTH;
}

/** The request's message, or the error that the client gets instead. */
export function messageOf(exchange: Exchange, text: string): Uint8Array | RpcError {
  try {
    const message = parseMessage(text, exchange.method.request);
    return message.length > exchange.messageBytesMax ? tooLarge(message.length, exchange.messageBytesMax) : message;
  } catch (error) {
    if (error instanceof JsonInputError || error instanceof WireError) {
      return { code: GrpcCode.InvalidArgument, message: error.message };
    }
    throw error;
  }
}

export function isMessage(result: Uint8Array | RpcError): result is Uint8Array {
  return result instanceof Uint8Array;
}

/** Collects the body; the callback runs once, with text or an error, and not at all if the client goes away. */
export function readBody(exchange: Exchange, callback: (body: string | RpcError) => void): void {
  const { request } = exchange;
  const chunks: Buffer[] = [];
  const max = bodyBytesMax(exchange);
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    const before = length;
    length += chunk.length;
    if (length <= max) chunks.push(chunk);
    else if (before <= max) callback(tooLarge(length, exchange.messageBytesMax));
  });
  request.on('end', () => {
    if (length <= max) callback((chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString('utf8'));
  });
}

export function answerError({ response }: Exchange, error: RpcError): void {
  const body = Buffer.from(unaryErrorBody(error), 'utf8');
  const challenge = error.code === GrpcCode.Unauthenticated ? { 'WWW-Authenticate': error.message } : {};
  response.writeHead(httpStatusOf(error.code), {
    'Content-Type': 'application/json',
    'Content-Length': String(body.length),
    ...challenge,
  });
  response.end(body);
}

/** For an answer of a handler that is not the message it should be: a defect, told as one. */
export function printFailure(error: unknown): RpcError {
  if (error instanceof WireError) return { ...Errors.MalformedMessage };
  throw error;
}

function tooLarge(length: number, max: number): RpcError {
  return {
    code: GrpcCode.ResourceExhausted,
    message: `grpc: received message larger than max (${length} vs. ${max})`,
  };
}
