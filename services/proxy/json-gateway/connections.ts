import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ConnectionInfo } from '../../../libs/rpc';

const known = new WeakMap<Socket, ConnectionInfo>();
let lastId = 0;

/** The connection a request came on; always the same object for one socket. */
export function connectionOf(socket: Socket): ConnectionInfo {
  let connection = known.get(socket);
  if (connection === undefined) {
    connection = describe(socket);
    known.set(socket, connection);
  }
  return connection;
}

function describe(socket: Socket): ConnectionInfo {
  const { remoteAddress, remotePort } = socket;
  const listeners: Array<() => void> = [];
  let closed = false;
  socket.once('close', () => {
    closed = true;
    for (const listener of listeners) listener();
  });
  return {
    // Negative, so that it never meets an id of the gRPC engine.
    id: --lastId,
    remoteAddress: remoteAddress === undefined ? 'unix' : `${remoteAddress}:${remotePort}`,
    encrypted: socket instanceof TLSSocket,
    clientCommonName: commonNameOf(socket),
    onClose(callback) {
      if (closed) callback();
      else listeners.push(callback);
    },
  };
}

/** Common name of the client's certificate if it was verified. */
export function commonNameOf(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  // Node gives an empty object if there is no certificate.
  const subject: { CN?: string | string[] } | undefined = socket.getPeerCertificate().subject;
  const name = subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
