import { isIP } from 'node:net';
import { ConfigError } from './flag-values';

const SCHEMES = new Set(['http:', 'https:', 'unix:', 'unixs:']);

export function splitUrls(text: string): string[] {
  return text
    .split(',')
    .map((url) => url.trim())
    .filter((url) => url !== '');
}

function parse(text: string, flag: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigError(`invalid URL "${text}" in --${flag}`);
  }
  if (!SCHEMES.has(url.protocol)) throw new ConfigError(`URL scheme must be http, https, unix, or unixs: ${text}`);
  if (url.protocol.startsWith('unix')) return url;
  if (!/:\d+$/.test(url.host) && !/^https?:\/\/[^/]+:(80|443)\/?$/.test(text))
    throw new ConfigError(`URL address does not have the form "host:port": ${text}`);
  if (url.pathname !== '/') throw new ConfigError(`URL must not contain a path: ${text}`);
  return url;
}

/** A URL to bind: its host must be an IP address or `localhost`, since a name could mean another machine. */
export function listenUrl(text: string, flag: string): string {
  const url = parse(text, flag);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!url.protocol.startsWith('unix') && host !== 'localhost' && isIP(host) === 0) {
    throw new ConfigError(`expected IP in URL for binding (${text})`);
  }
  return text;
}

export function advertiseUrl(text: string, flag: string): string {
  const url = parse(text, flag);
  if (!url.protocol.startsWith('unix') && url.hostname === '') throw new ConfigError(`unexpected empty host (${text})`);
  return text;
}
