import type { IncomingMessage, ServerResponse } from 'node:http';

export interface AccessOptions {
  /** Origins allowed, `*` for all (`--cors`). */
  readonly cors: readonly string[];
  /** Host names served without TLS, `*` for all (`--host-whitelist`). */
  readonly hostWhitelist: readonly string[];
}

/** What comes before every plain HTTP request, gateway or not: host check, CORS headers, preflight requests. */
export class AccessControl {
  private readonly anyOrigin: boolean;
  private readonly anyHost: boolean;
  private readonly origins: ReadonlySet<string>;
  private readonly hosts: ReadonlySet<string>;

  constructor({ cors, hostWhitelist }: AccessOptions) {
    this.anyOrigin = cors.includes('*');
    this.anyHost = hostWhitelist.includes('*');
    this.origins = new Set(cors);
    this.hosts = new Set(hostWhitelist);
  }

  /** True if the request has been answered. */
  answers(request: IncomingMessage, response: ServerResponse, encrypted: boolean): boolean {
    const host = hostNameOf(request.headers.host ?? '');
    if (!encrypted && !this.anyHost && !this.hosts.has(host)) {
      response.writeHead(421, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' });
      response.end(unknownHostBody(host));
      return true;
    }
    this.addCorsHeaders(request, response);
    if (request.method !== 'OPTIONS') return false;
    response.writeHead(200, { 'Content-Length': '0' });
    response.end();
    return true;
  }

  private addCorsHeaders(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    const allowed = this.anyOrigin ? '*' : origin !== undefined && this.origins.has(origin) ? origin : undefined;
    if (allowed === undefined) return;
    response.setHeader('Access-Control-Allow-Methods', 'POST, GET, OPTIONS, PUT, DELETE');
    response.setHeader('Access-Control-Allow-Origin', allowed);
    response.setHeader('Access-Control-Allow-Headers', 'accept, content-type, authorization');
  }
}

/** `host:port` without the port; brackets of an IPv6 address are dropped. */
function hostNameOf(header: string): string {
  const match = /^(?:\[(.*)\]|([^:]*))(?::\d*)?$/.exec(header);
  return match?.[1] ?? match?.[2] ?? header;
}

function unknownHostBody(host: string): string {
  return [
    '',
    `The request's Host header (${JSON.stringify(host)}) is not one that this member serves without TLS.`,
    'Either use https, or start the member with --host-whitelist and that name.',
    'The check keeps web pages from reaching the store by DNS rebinding (CVE-2018-5702).',
    '',
  ].join('\n');
}
