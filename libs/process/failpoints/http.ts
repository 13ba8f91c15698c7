import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type FailpointSettings, parseFailpointSettings } from '../../failpoints';
import { StartError } from '../start-error';
import { type FailpointOrder, type FailpointReply, NO_SUCH_FAILPOINT } from './host';

/** The points behind an endpoint. */
export interface FailpointBackend {
  /** All names, sorted, with what is set at them (empty: nothing). */
  list(): readonly { readonly name: string; readonly terms: string }[];
  carryOut(order: FailpointOrder): Promise<FailpointReply>;
}

const BODY_BYTES_MAX = 64 * 1024;
const LOOPBACK = /^(127(?:\.\d{1,3}){3}|localhost|\[::1\]):(\d{1,5})$/;

/**
 * The HTTP endpoint of `GOFAIL_HTTP`, which speaks gofail's protocol. Whoever reaches it can end the member, so it listens on a
 * loopback address or not at all.
 *
 * @throws StartError when it can't
 */
export async function serveFailpoints(address: string, backend: FailpointBackend): Promise<Server> {
  const match = LOOPBACK.exec(address);
  if (match === null) throw new StartError(`GOFAIL_HTTP must be a loopback address with a port, not "${address}"`);
  const [, host = '', port = ''] = match;
  const server = createServer((request, response) => {
    answer(request, response, backend).catch((error: unknown) => {
      if (!response.headersSent) reply(response, 500, `${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new StartError(`GOFAIL_HTTP: ${error.message}`)));
    server.listen(Number(port), host.replace(/^\[|\]$/g, ''), resolve);
  });
  return server;
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
}

async function answer(request: IncomingMessage, response: ServerResponse, backend: FailpointBackend): Promise<void> {
  const name = (request.url ?? '/').slice(1);
  if (request.method === 'PUT') return put(request, response, backend, name);
  if (request.method === 'GET') return get(response, backend, name);
  if (request.method === 'DELETE') {
    const { error } = await backend.carryOut({ op: 'clear', name });
    if (error === undefined) response.writeHead(204).end();
    else reply(response, 400, `failed to delete failpoint ${error}\n`);
    return;
  }
  response.setHeader('allow', ['DELETE', 'GET', 'PUT']);
  reply(response, 405, 'Method not allowed\n');
}

async function put(
  request: IncomingMessage,
  response: ServerResponse,
  backend: FailpointBackend,
  name: string,
): Promise<void> {
  const body = await bodyOf(request);
  if (body === undefined) return reply(response, 400, 'failed ReadAll in PUT\n');
  let settings: FailpointSettings = { [name]: body };
  if (name.toLowerCase() === 'failpoints') {
    try {
      settings = parseFailpointSettings(body);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return reply(response, 400, `fail to parse failpoint: ${error.message}\n`);
    }
  }
  for (const [point, terms] of Object.entries(settings)) {
    const { error } = await backend.carryOut({ op: 'set', name: point, terms });
    if (error !== undefined) return reply(response, 400, `fail to set failpoint: ${error}\n`);
  }
  response.writeHead(204).end();
}

async function get(response: ServerResponse, backend: FailpointBackend, name: string): Promise<void> {
  if (name === '') {
    const lines = backend.list().map((point) => `${point.name}=${point.terms}`);
    return reply(response, 200, `${lines.join('\n')}\n`);
  }
  const wantsCount = name.endsWith('/count');
  const point = wantsCount ? name.slice(0, -'/count'.length) : name;
  const { error, terms, count } = await backend.carryOut({ op: 'status', name: point });
  if (error !== undefined) {
    const status = wantsCount && error !== NO_SUCH_FAILPOINT ? 500 : 404;
    return reply(response, status, `failed to GET: ${error}\n`);
  }
  reply(response, 200, wantsCount ? String(count) : `${terms}\n`);
}

/** undefined: it is too long, or broke off. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks).toString('utf8');
}
