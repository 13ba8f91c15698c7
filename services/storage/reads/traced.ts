import { decodeTrace, type Tracing } from '../../../libs/telemetry';
import type { ReadMethod } from './read-server';

/** The methods with a span around each call whose request was sampled. */
export function tracedMethods(tracing: Tracing, methods: ReadonlyMap<number, ReadMethod>): Map<number, ReadMethod> {
  const traced = new Map<number, ReadMethod>();
  for (const [id, method] of methods) traced.set(id, tracedMethod(tracing, method));
  return traced;
}

function tracedMethod(tracing: Tracing, method: ReadMethod): ReadMethod {
  return (call, peer) => {
    const span =
      call.trace.length === 0
        ? undefined
        : tracing.startChild('storage.read', decodeTrace(call.trace), { 'hexad.method': call.method });
    method(call, peer);
    span?.end();
  };
}
