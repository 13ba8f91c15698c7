import { connect as connectNet, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { lookup } from '../../names';
import { formatAddress } from '../address';
import { serverRoleProblem } from '../mutual-tls';
import type { TlsClientOptions } from '../transport-types';
import type { Address } from '../types';

/** Go's texts for what goes wrong most; etcd's users search for them. */
const systemTexts: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  ENOENT: 'connect: no such file or directory',
  ECONNRESET: 'read: connection reset by peer',
  ETIMEDOUT: 'i/o timeout',
  ENOTFOUND: 'lookup: no such host',
  EAI_AGAIN: 'lookup: i/o timeout',
};

/**
 * Connects, with TLS and ALPN when asked for. The callback runs exactly once, with the socket or with what went wrong.
 * Returns a function that gives up (the callback then does not run).
 */
export function dial(
  address: Address,
  tls: TlsClientOptions | undefined,
  timeoutMs: number,
  callback: (outcome: Socket | string) => void,
): () => void {
  const socket = tls === undefined ? connectNet(target(address)) : connectTls(tlsOptions(address, tls));
  socket.setNoDelay(true);
  let settled = false;
  const settle = (outcome: Socket | string): void => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    socket.removeListener('error', onError);
    if (outcome !== socket) {
      socket.on('error', () => {});
      socket.destroy();
    }
    callback(outcome);
  };
  const onError = (error: NodeJS.ErrnoException): void => settle(failureText(address, error));
  const timer = setTimeout(() => settle(failureText(address, { code: 'ETIMEDOUT', message: '' })), timeoutMs);
  socket.on('error', onError);
  socket.once('close', () => settle(failureText(address, { code: 'ECONNRESET', message: '' })));
  socket.once(tls === undefined ? 'connect' : 'secureConnect', () => settle(socket));
  return () => {
    settled = true;
    clearTimeout(timer);
    socket.removeListener('error', onError);
    socket.on('error', () => {});
    socket.destroy();
  };
}

function target(address: Address): { path: string } | { host: string; port: number; lookup: LookupFunction } {
  return address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port, lookup };
}

function tlsOptions(address: Address, tls: TlsClientOptions): ConnectionOptions {
  const host = address.kind === 'unix' ? 'localhost' : address.host;
  const { serverRole } = tls;
  const name = tls.serverName ?? (isIP(host) === 0 ? host : undefined);
  return {
    ...target(address),
    ...(name === undefined ? {} : { servername: name }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    rejectUnauthorized: tls.insecureSkipVerify !== true,
    ...(serverRole === undefined
      ? {}
      : { checkServerIdentity: (_, certificate) => serverRoleProblem(serverRole, certificate) }),
    ALPNProtocols: ['h2'],
  };
}

function failureText(address: Address, error: { code?: string | undefined; message: string }): string {
  const network = address.kind === 'unix' ? 'unix' : 'tcp';
  const name = address.kind === 'unix' ? address.path : formatAddress(address);
  const text = systemTexts[error.code ?? ''] ?? error.message;
  return `connection error: desc = "transport: Error while dialing: dial ${network} ${name}: ${text}"`;
}
