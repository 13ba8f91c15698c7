import type { Socket } from 'node:net';
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
    encrypted: (socket as SecureSocket).encrypted === true,
    clientCommonName: commonNameOf(socket),
    onClose(callback) {
      if (closed) callback();
      else listeners.push(callback);
    },
    // What comes as JSON and can't be read is answered as such; it never reaches the checks of messages.
    reportRequest: () => undefined,
  };
}

/** What is asked of a TLS socket; requests over HTTP/2 come on a stand-in that has the same. */
interface SecureSocket {
  readonly encrypted?: boolean;
  readonly authorized?: boolean;
  getPeerCertificate?(): { subject?: { CN?: string | string[] } };
}

/** Common name of the client's certificate if it was verified. */
function commonNameOf(socket: Socket): string | undefined {
  const secure = socket as SecureSocket;
  if (secure.encrypted !== true || secure.authorized !== true) return undefined;
  // Node gives an empty object if there is no certificate.
  const name = secure.getPeerCertificate?.().subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
