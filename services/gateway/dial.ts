import { connect, type Socket } from 'node:net';
import type { HostPort } from './config';

/** Connected; refused by someone who is there; or no answer at all. */
export type DialOutcome =
  | { readonly socket: Socket }
  | { readonly failure: 'refused' | 'silent'; readonly reason: string };

const REFUSALS = new Set(['ECONNREFUSED', 'ECONNRESET']);

/** Resolves in at most `timeoutMs`. */
export function dial({ host, port }: HostPort, timeoutMs: number): Promise<DialOutcome> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
    const settle = (outcome: DialOutcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    const fail = (failure: 'refused' | 'silent', reason: string): void => {
      settle({ failure, reason });
      socket.destroy();
    };
    const timer = setTimeout(() => fail('silent', `no answer within ${timeoutMs} ms`), timeoutMs);
    socket.once('connect', () => settle({ socket }));
    // Stays: whoever gets the socket learns of its end by 'close'.
    socket.on('error', (error: NodeJS.ErrnoException) =>
      fail(REFUSALS.has(error.code ?? '') ? 'refused' : 'silent', error.message),
    );
  });
}
