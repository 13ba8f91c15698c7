import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Http1Handler } from '../../../libs/rpc';
import type { MemberView } from '../member-view';
import type { HealthChecks, HealthReply } from './health-checks';
import type { Metrics } from './metrics';

export interface HttpOptions {
  readonly view: MemberView;
  readonly health: HealthChecks;
  readonly metrics: Metrics;
  readonly version: string;
  /** `*` or a comma list of origins; empty: no CORS headers. */
  readonly cors: string;
  readonly hostWhitelist: string;
  readonly gateway: Gateway | undefined;
}

/** The JSON gateway, as this process mounts it. */
export interface Gateway {
  handles(path: string): boolean;
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade?(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

type Route = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

/** HTTP/1.1 of a listener: health, version, metrics and, unless it is a metrics listener, the gateway. */
export function createHttpHandler(options: HttpOptions, scope: 'client' | 'metrics'): Http1Handler {
  const routes = scope === 'client' ? { ...probeRoutes(options), ...clientRoutes(options) } : probeRoutes(options);
  const gateway = scope === 'client' ? options.gateway : undefined;
  const request = (message: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(message.url ?? '/', 'http://localhost');
    if (scope === 'client' && refuseHost(options, message, response)) return;
    if (allowOrigin(options, message, response)) return;
    if (gateway?.handles(url.pathname) === true) gateway.request(message, response);
    else (routes[routeName(url.pathname)] ?? notFound)(message, response, url);
  };
  const upgrade = gateway?.upgrade?.bind(gateway);
  return upgrade === undefined ? { request } : { request, upgrade };
}

/** `/livez/x` and `/readyz/x` are their parents' business. */
function routeName(path: string): string {
  return /^\/(livez|readyz)(\/|$)/.exec(path)?.[1] ?? path;
}

function probeRoutes({ health, metrics }: HttpOptions): Record<string, Route> {
  return {
    '/health': probeOnly(
      (_request, response, url) => void health.health(url.searchParams).then((reply) => send(response, reply)),
    ),
    livez: probeOnly((_request, response, url) => probe(health, 'livez', response, url)),
    readyz: probeOnly((_request, response, url) => probe(health, 'readyz', response, url)),
    '/metrics': getOnly((request, response) => {
      void metrics.page(request.headers.accept ?? '').then(
        (page) => send(response, { status: 200, ...page }),
        (error: unknown) => send(response, { status: 500, contentType: 'text/plain', body: `${String(error)}\n` }),
      );
    }),
  };
}

function clientRoutes({ view, version }: HttpOptions): Record<string, Route> {
  return {
    '/version': getOnly((_request, response) => {
      const cluster = view.clusterVersion === '' ? 'not_decided' : view.clusterVersion;
      sendJson(response, { etcdserver: version, etcdcluster: cluster, storage: storageVersion(view.clusterVersion) });
    }),
    '/debug/vars': getOnly((_request, response) => sendJson(response, debugVars(view))),
  };
}

function storageVersion(clusterVersion: string): string {
  return clusterVersion === '' ? 'unknown' : clusterVersion;
}

function debugVars(view: MemberView): object {
  return {
    cmdline: process.argv,
    memstats: process.memoryUsage(),
    'raft.status': {
      id: view.memberId.toString(16),
      term: view.term,
      lead: view.leaderId.toString(16),
      commit: view.commitIndex,
      raftState: view.isLeader ? 'StateLeader' : view.isLearner ? 'StateLearner' : 'StateFollower',
    },
  };
}

function probe(health: HealthChecks, kind: 'livez' | 'readyz', response: ServerResponse, url: URL): void {
  const only = url.pathname.slice(kind.length + 2);
  void health.probe(kind, only, url.searchParams).then((reply) => {
    if (reply === undefined) sendNotFound(response);
    else send(response, reply);
  });
}

function getOnly(route: Route): Route {
  return (request, response, url) => {
    if (request.method === 'GET' || request.method === 'HEAD') route(request, response, url);
    else refuseMethod(response);
  };
}

/** A check of health is a GET and nothing else, not even a HEAD, as in etcd. */
function probeOnly(route: Route): Route {
  return (request, response, url) => {
    if (request.method === 'GET') route(request, response, url);
    else refuseMethod(response);
  };
}

function refuseMethod(response: ServerResponse): void {
  response.setHeader('Allow', 'GET');
  send(response, { status: 405, contentType: 'text/plain; charset=utf-8', body: 'Method Not Allowed\n' });
}

const notFound: Route = (_request, response) => sendNotFound(response);

function sendNotFound(response: ServerResponse): void {
  send(response, { status: 404, contentType: 'text/plain; charset=utf-8', body: '404 page not found\n' });
}

function sendJson(response: ServerResponse, value: object): void {
  send(response, { status: 200, contentType: 'application/json', body: JSON.stringify(value) });
}

function send(response: ServerResponse, { status, contentType, body }: HealthReply): void {
  const sniff = contentType.startsWith('text/plain') ? { 'X-Content-Type-Options': 'nosniff' } : {};
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body), ...sniff });
  response.end(body);
}

/** Answers a preflight request itself (true). */
function allowOrigin({ cors }: HttpOptions, request: IncomingMessage, response: ServerResponse): boolean {
  const origin = cors === '*' ? '*' : (request.headers.origin ?? '');
  if (cors !== '*' && (origin === '' || !cors.split(',').includes(origin))) return false;
  response.setHeader('Access-Control-Allow-Methods', 'POST, GET, OPTIONS, PUT, DELETE');
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Allow-Headers', 'accept, content-type, authorization');
  if (request.method !== 'OPTIONS') return false;
  response.writeHead(200);
  response.end();
  return true;
}

/** A page in a browser must not reach the server by a name of its own (CVE-2018-5702): only names on the list are served. */
function refuseHost({ hostWhitelist }: HttpOptions, request: IncomingMessage, response: ServerResponse): boolean {
  if (hostWhitelist === '*' || hostWhitelist === '' || isEncrypted(request)) return false;
  const host = (request.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (hostWhitelist.split(',').includes(host)) return false;
  const body = `the host "${host}" is not in --host-whitelist\n`;
  send(response, { status: 421, contentType: 'text/plain; charset=utf-8', body });
  return true;
}

function isEncrypted(request: IncomingMessage): boolean {
  return 'encrypted' in request.socket && request.socket.encrypted === true;
}
