import type { Address } from './types';

/** `host:port` with IPv6 hosts in brackets, or `unix:path`. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** The `:authority` a client sends when none is configured. */
export function defaultAuthority(address: Address): string {
  return address.kind === 'unix' ? 'localhost' : formatAddress(address);
}
