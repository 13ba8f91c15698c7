import { unlinkSync } from 'node:fs';
import { connect, isIP, type Server } from 'node:net';
import type { Address } from './types';

/** Children outlive a SIGKILLed parent for a moment, so a busy address is retried for this long. */
const busyRetryMs = 3000;
const busyPauseMs = 50;

/** Listens on `address`; resolves with the address bound. A stale Unix socket file (nobody answers) is replaced. */
export async function listenWithRetry(server: Server, address: Address): Promise<Address> {
  const giveUpAt = performance.now() + busyRetryMs;
  for (;;) {
    const failure = await listenOnce(server, address);
    if (failure === undefined) return boundAddress(server, address);
    if (failure.code !== 'EADDRINUSE' || performance.now() > giveUpAt) throw failure;
    if (address.kind === 'unix' && !(await answers(address.path))) removeStale(address.path);
    else await new Promise((resolve) => setTimeout(resolve, busyPauseMs));
  }
}

function listenOnce(server: Server, address: Address): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      server.off('listening', onListening);
      resolve(error);
    };
    const onListening = (): void => {
      server.off('error', onError);
      resolve(undefined);
    };
    server.once('error', onError);
    server.once('listening', onListening);
    if (address.kind === 'unix') server.listen({ path: address.path, backlog: 4096 });
    else server.listen({ ...interfaceOf(address.host), port: address.port, backlog: 4096 });
  });
}

/**
 * A host name is what others dial, and what it stands for may change while this process runs (a container that is connected to another
 * network): the listener then takes every interface.
 */
function interfaceOf(host: string): { host?: string } {
  return isIP(host) === 0 && host !== 'localhost' ? {} : { host };
}

function boundAddress(server: Server, asked: Address): Address {
  const bound = server.address();
  if (asked.kind === 'unix' || bound === null || typeof bound === 'string') return asked;
  return { kind: 'tcp', host: asked.host, port: bound.port };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

function removeStale(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
