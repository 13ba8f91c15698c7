import { readdirSync, readFileSync } from 'node:fs';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { load } from 'js-yaml';

const PROVISIONING = '/etc/grafana/provisioning';

interface Datasource {
  readonly uid: string;
  readonly url: string;
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
}

/** Reads what Grafana is provisioned with and answers the part of its HTTP API that the tests use. A mistake in the files ends it. */
export async function standInGrafana(): Promise<void> {
  const datasources = provisioned<{ datasources: Datasource[] }>('datasources').flatMap((file) => file.datasources);
  const providers = provisioned<{ providers: { options: { path: string } }[] }>('dashboards').flatMap(
    (file) => file.providers,
  );
  const dashboards = providers.flatMap(({ options }) =>
    readdirSync(options.path).map((file) => JSON.parse(readFileSync(join(options.path, file), 'utf8')) as Dashboard),
  );
  createServer((request, response) => answer(datasources, dashboards, request, response)).listen(3_000);
}

function provisioned<Content>(kind: string): Content[] {
  const folder = join(PROVISIONING, kind);
  return readdirSync(folder).map((file) => load(readFileSync(join(folder, file), 'utf8')) as Content);
}

function answer(
  datasources: readonly Datasource[],
  dashboards: readonly Dashboard[],
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
  const say = (status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  if (pathname === '/api/health') return say(200, { database: 'ok' });
  if (pathname === '/api/search')
    return say(
      200,
      dashboards.map(({ uid, title }) => ({ uid, title })),
    );
  const board = /^\/api\/dashboards\/uid\/([^/]+)$/.exec(pathname)?.[1];
  if (board !== undefined) {
    const dashboard = dashboards.find(({ uid }) => uid === board);
    return dashboard === undefined ? say(404, {}) : say(200, { dashboard });
  }
  const [, uid, rest] = /^\/api\/datasources\/proxy\/uid\/([^/]+)(\/.*)$/.exec(pathname) ?? [];
  const source = datasources.find((one) => one.uid === uid);
  if (source === undefined || rest === undefined) return say(404, {});
  get(`${source.url}${rest}${search}`, (from) => {
    response.writeHead(from.statusCode ?? 502, { 'content-type': 'application/json' });
    from.pipe(response);
  }).on('error', (error) => say(502, { error: error.message }));
}
