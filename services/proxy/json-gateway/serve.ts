import { type Exchange, methodOf } from './exchange';
import { serveStream } from './stream';
import { serveUnary } from './unary';

/** Answers one request. */
export function serve(request: Omit<Exchange, 'method'>): void {
  const method = methodOf(request.path);
  const exchange = { ...request, method };
  if (method.responseStream) serveStream(exchange);
  else serveUnary(exchange);
}
