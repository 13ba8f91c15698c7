import type { RpcError } from '../../../libs/errors';
import type { Metadata, UnaryResult } from '../../../libs/rpc';
import { answerError, type Exchange, isMessage, messageOf, printFailure, readBody } from './exchange';
import { printMessage } from './print-message';

const TIMING = 'hexad-timing';

/** Answers a request to a method that takes one message and gives one. */
export function serveUnary(exchange: Exchange): void {
  readBody(exchange, (body) => {
    const message = typeof body === 'string' ? messageOf(exchange, body) : body;
    if (isMessage(message)) callUnary(exchange, message);
    else answerError(exchange, message);
  });
}

function callUnary(exchange: Exchange, message: Uint8Array): void {
  const { backend, path, call, response } = exchange;
  let answered = false;
  const cancel = backend.unary(path, message, call, (result) => {
    answered = true;
    answer(exchange, result);
  });
  response.on('close', () => {
    if (!answered) cancel();
  });
}

function answer(exchange: Exchange, result: UnaryResult): void {
  const printed = result.ok ? print(exchange, result.response) : result.error;
  if (typeof printed !== 'string') {
    answerError(exchange, printed);
    return;
  }
  const body = Buffer.from(printed, 'utf8');
  const timing = valueOf(result.trailers, TIMING);
  exchange.response.writeHead(200, {
    'Content-Type': 'application/json',
    'Grpc-Metadata-Content-Type': 'application/grpc',
    'Content-Length': String(body.length),
    ...(timing === undefined ? {} : { [TIMING]: timing }),
  });
  exchange.response.end(body);
}

function print({ method }: Exchange, response: Uint8Array): string | RpcError {
  try {
    return printMessage(response, method.response);
  } catch (error) {
    return printFailure(error);
  }
}

function valueOf(metadata: Metadata, name: string): string | undefined {
  return metadata.find(([key]) => key === name)?.[1];
}
