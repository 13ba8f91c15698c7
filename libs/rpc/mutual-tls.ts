import { isIP, type Socket } from 'node:net';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { TlsClientOptions, TlsServerOptions } from './transport-types';
import type { Address } from './types';

/** How to dial an address where siblings prove themselves to each other. */
export function clientTls(address: Address): TlsClientOptions | undefined {
  if (address.kind === 'unix' || address.mutualTls === undefined) return undefined;
  const { ca, cert, key, roleOfNumbers } = address.mutualTls;
  return { ca, cert, key, ...(isIP(address.host) === 0 ? {} : { serverRole: roleOfNumbers }) };
}

export function serverTls(address: Address): TlsServerOptions | undefined {
  if (address.kind === 'unix' || address.mutualTls === undefined) return undefined;
  const { ca, cert, key } = address.mutualTls;
  return { ca, cert, key, clientCertAuth: true, minVersion: 'TLSv1.3' };
}

/** Why this client must not come in, though its certificate is good; undefined: it may. */
export function roleProblem(address: Address, socket: Socket): string | undefined {
  if (address.kind === 'unix' || address.mutualTls === undefined) return undefined;
  const role = commonName((socket as TLSSocket).getPeerCertificate());
  return address.mutualTls.clientRoles.includes(role) ? undefined : `the role "${role}" may not connect here`;
}

/** For `checkServerIdentity` of a connection with `serverRole`. */
export function serverRoleProblem(role: string, certificate: Pick<PeerCertificate, 'subject'>): Error | undefined {
  const name = commonName(certificate);
  return name === role ? undefined : new Error(`the server's role is "${name}", not "${role}"`);
}

function commonName(certificate: Pick<PeerCertificate, 'subject'> | undefined): string {
  // One without a subject has an empty object here, and one with several names a list.
  const name = (certificate?.subject as { CN?: string | string[] } | undefined)?.CN;
  return typeof name === 'string' ? name : '';
}
