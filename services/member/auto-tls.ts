import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { MemberConfig } from '../../libs/config';

/** Generates the self-signed certificates that --auto-tls and --peer-auto-tls ask for, once; later starts reuse them. */
export async function generateCertificates(config: MemberConfig): Promise<void> {
  const { client, peer, validityYears } = config.autoTls;
  if (client && config.tls.client !== null) await generate(config.tls.client, config.urls.listenClient, validityYears);
  if (peer && config.tls.peer !== null) await generate(config.tls.peer, config.urls.listenPeer, validityYears);
}

async function generate(
  files: { certFile: string; keyFile: string },
  urls: readonly string[],
  years: number,
): Promise<void> {
  if (existsSync(files.certFile) && existsSync(files.keyFile)) return;
  // Loaded only here: certificates are generated once in the life of a member.
  const selfsigned = require('selfsigned') as typeof import('selfsigned');
  const notAfterDate = new Date();
  notAfterDate.setFullYear(notAfterDate.getFullYear() + years);
  const pems = await selfsigned.generate([{ name: 'organizationName', value: 'hexad' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256', // the package's own default is SHA-1
    notAfterDate,
    extensions: [
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      { name: 'subjectAltName', altNames: altNames(urls) },
    ],
  });
  mkdirSync(dirname(files.certFile), { recursive: true, mode: 0o700 });
  writeFileSync(files.keyFile, pems.private, { mode: 0o600 });
  writeFileSync(files.certFile, pems.cert, { mode: 0o600 });
}

function altNames(urls: readonly string[]): Array<{ type: 2; value: string } | { type: 7; ip: string }> {
  const hosts = new Set(['localhost', '127.0.0.1', '::1']);
  for (const url of urls) hosts.add(new URL(url).hostname.replace(/^\[|\]$/g, ''));
  return [...hosts].map((host) => (/^[\d.]+$|:/.test(host) ? { type: 7, ip: host } : { type: 2, value: host }));
}
