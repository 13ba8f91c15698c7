import type { BatchHandler, BatchPeer } from '../rpc';
import { decodeTrace } from './trace-context';
import type { Span, Tracing } from './types';

/** `handler` with a span, from arrival to answer, for each call whose request was sampled; `handler` itself while tracing is off. */
export function tracedBatch(tracing: Tracing, name: string, handler: BatchHandler): BatchHandler {
  if (!tracing.enabled) return handler;
  return (calls, peer) => {
    const spans = new Map<number, Span>();
    for (const { id, method, trace } of calls) {
      const span =
        trace.length === 0 ? undefined : tracing.startChild(name, decodeTrace(trace), { 'hexad.method': method });
      if (span !== undefined) spans.set(id, span);
    }
    handler(calls, spans.size === 0 ? peer : endingSpans(peer, spans));
  };
}

function endingSpans(peer: BatchPeer, spans: Map<number, Span>): BatchPeer {
  return {
    connection: peer.connection,
    get closed() {
      return peer.closed;
    },
    reply(id, error, payload, errorDetail) {
      spans.get(id)?.end(error === 0 ? undefined : `error ${error}`);
      spans.delete(id);
      peer.reply(id, error, payload, errorDetail);
    },
    begin: () => peer.begin(),
    onClose: (callback) => peer.onClose(callback),
  };
}
