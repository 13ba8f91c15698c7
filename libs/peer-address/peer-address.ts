import type { TlsFiles } from '../config';
import { readCertificate, readPem } from '../process';
import type { Address, TlsClientOptions, TlsServerOptions } from '../rpc';

export interface PeerAddress {
  readonly address: Address;
  readonly isTls: boolean;
}

/** Reads a peer URL. undefined: not one that can be dialled or listened on. */
export function peerAddress(text: string): PeerAddress | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  if (url.protocol === 'unix:' || url.protocol === 'unixs:') {
    return { address: { kind: 'unix', path: `${url.host}${url.pathname}` }, isTls: url.protocol === 'unixs:' };
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const isTls = url.protocol === 'https:';
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  return { address: { kind: 'tcp', host: url.hostname.replace(/^\[|\]$/g, ''), port }, isTls };
}

export function peerServerTls(files: TlsFiles): TlsServerOptions {
  return {
    cert: readCertificate(files.certFile),
    key: readPem(files.keyFile),
    ...(files.trustedCaFile === '' ? {} : { ca: readPem(files.trustedCaFile) }),
    clientCertAuth: files.clientCertAuth,
    minVersion: files.minVersion,
    ...(files.cipherSuites === '' ? {} : { cipherSuites: files.cipherSuites }),
  };
}

export function peerClientTls(files: TlsFiles | null, host: string): TlsClientOptions {
  if (files === null) return { serverName: host };
  const cert = files.clientCertFile === '' ? files.certFile : files.clientCertFile;
  const key = files.clientKeyFile === '' ? files.keyFile : files.clientKeyFile;
  return {
    ...(files.trustedCaFile === '' ? {} : { ca: readPem(files.trustedCaFile) }),
    ...(cert === '' ? {} : { cert: readCertificate(cert) }),
    ...(key === '' ? {} : { key: readPem(key) }),
    serverName: host,
    insecureSkipVerify: files.skipVerify,
  };
}
