import type { Address } from '../rpc/types';
import { internalIdentity } from './internal-tls';

/** Reads `unix:/path` and `tcp:host:port` (IPv6 hosts in brackets), the address of a sibling. Throws on anything else. */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:')) return { kind: 'unix', path: text.slice('unix:'.length) };
  const match = /^tcp:(\[[^\]]+\]|[^:]+):(\d+)$/.exec(text);
  if (match === null) throw new Error(`not an address: ${text}`);
  const [, host = '', port = ''] = match;
  const mutualTls = internalIdentity();
  const address = { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port: Number(port) } as const;
  return mutualTls === undefined ? address : { ...address, mutualTls };
}

export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `tcp:${host}:${address.port}`;
}
