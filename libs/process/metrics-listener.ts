import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Address, createServer, type EngineName } from '../rpc';
import { type MetricFamily, renderFamilies } from '../telemetry';
import { internalIdentity } from './internal-tls';
import { StartError } from './start-error';

/** The role of whoever scrapes, in the certificate that it shows. */
const SCRAPER = 'prometheus';

/**
 * `/metrics` and `/health` of one process, for one that runs without its member's proxy beside it: a scrape of the proxies tells only of
 * the member that each is attached to. With `https` the process proves itself as to its siblings, and lets nobody in but a scraper.
 *
 * @throws StartError when a URL can't be listened on
 */
export async function listenForScrapes(
  urls: readonly string[],
  engine: EngineName,
  families: () => readonly MetricFamily[],
): Promise<void> {
  for (const url of urls) {
    const server = createServer({ engine, http1: { request: (...exchange) => answer(families, ...exchange) } });
    try {
      await server.listen(addressOf(url));
    } catch (error) {
      if (error instanceof StartError) throw error;
      throw new StartError(`listen ${url}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function addressOf(url: string): Address {
  const { protocol, hostname, port } = new URL(url);
  const address = { kind: 'tcp', host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) } as const;
  if (protocol === 'http:') return address;
  const identity = internalIdentity();
  if (protocol !== 'https:' || identity === undefined) {
    throw new StartError(`${url} in --listen-metrics-urls needs --internal-cert-file in a process that runs alone`);
  }
  return { ...address, mutualTls: { ...identity, clientRoles: [SCRAPER] } };
}

function answer(families: () => readonly MetricFamily[], request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const say = (status: number, type: string, body: string): void => {
    response.writeHead(status, { 'content-type': type }).end(body);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') return say(405, 'text/plain', 'GET only\n');
  if (pathname === '/health') return say(200, 'application/json', '{"health":"true","reason":""}');
  if (pathname !== '/metrics') return say(404, 'text/plain', 'not found\n');
  renderFamilies(families(), request.headers.accept ?? '').then(
    ({ contentType, body }) => say(200, contentType, body),
    (error: unknown) => say(500, 'text/plain', `${String(error)}\n`),
  );
}
