import { request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StartError } from '../start-error';
import { FAILPOINT_DISABLED, type FailpointOrder, type FailpointReply, NO_SUCH_FAILPOINT } from './host';
import { type FailpointBackend, serveFailpoints } from './http';

const settings = new Map<string, string>();
const backend: FailpointBackend = {
  list: () => ['a', 'b'].map((name) => ({ name, terms: settings.get(name) ?? '' })),
  carryOut: (order: FailpointOrder): Promise<FailpointReply> => Promise.resolve(answer(order)),
};

function answer(order: FailpointOrder): FailpointReply {
  if (order.name !== 'a' && order.name !== 'b') return { error: NO_SUCH_FAILPOINT };
  if (order.op === 'set') {
    if (order.terms === 'nonsense') return { error: 'no terms' };
    settings.set(order.name, order.terms);
    return {};
  }
  const terms = settings.get(order.name);
  if (terms === undefined) return { error: FAILPOINT_DISABLED };
  if (order.op === 'clear') settings.delete(order.name);
  return { terms, count: 3 };
}

let server: Server;
beforeAll(async () => {
  server = await serveFailpoints('127.0.0.1:0', backend);
});
afterAll(() => void server.close());
beforeEach(() => settings.clear());

function ask(method: string, path: string, body = ''): Promise<string> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', method, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(`${response.statusCode} ${text}`));
    });
    call.once('error', reject);
    call.end(body);
  });
}

test('a point is set, shown, counted and cleared', async () => {
  expect(await ask('GET', '/')).toBe('200 a=\nb=\n');
  expect(await ask('PUT', '/b', '1*sleep(100)')).toBe('204 ');
  expect(await ask('GET', '/')).toBe('200 a=\nb=1*sleep(100)\n');
  expect(await ask('GET', '/b')).toBe('200 1*sleep(100)\n');
  expect(await ask('GET', '/b/count')).toBe('200 3');
  expect(await ask('DELETE', '/b')).toBe('204 ');
  expect(await ask('GET', '/')).toBe('200 a=\nb=\n');
});

test('several points are set at once', async () => {
  expect(await ask('PUT', '/failpoints', 'a=panic;b=off')).toBe('204 ');
  expect(await ask('GET', '/')).toBe('200 a=panic\nb=off\n');
});

test.each([
  ['GET', '/none', '', '404 failed to GET: failpoint: failpoint does not exist\n'],
  ['GET', '/a', '', '404 failed to GET: failpoint: failpoint is disabled\n'],
  ['GET', '/none/count', '', '404 failed to GET: failpoint: failpoint does not exist\n'],
  ['GET', '/a/count', '', '500 failed to GET: failpoint: failpoint is disabled\n'],
  ['PUT', '/none', 'panic', '400 fail to set failpoint: failpoint: failpoint does not exist\n'],
  ['PUT', '/a', 'nonsense', '400 fail to set failpoint: no terms\n'],
  ['PUT', '/failpoints', 'a', '400 fail to parse failpoint: bad failpoint "a"\n'],
  ['PUT', '/a', 'x'.repeat(70_000), '400 failed ReadAll in PUT\n'],
  ['DELETE', '/none', '', '400 failed to delete failpoint failpoint: failpoint does not exist\n'],
  ['DELETE', '/a', '', '400 failed to delete failpoint failpoint: failpoint is disabled\n'],
  ['POST', '/a', 'panic', '405 Method not allowed\n'],
])('%s %s is refused as gofail refuses it', async (method, path, body, expected) => {
  expect(await ask(method, path, body)).toBe(expected);
});

test.each(['0.0.0.0:1234', ':1234', '10.0.0.1:1234', '127.0.0.1', 'example.com:80', '127.0.0.1:x'])(
  'the address %s is refused, since whoever reaches it can end the member',
  async (address) => {
    await expect(serveFailpoints(address, backend)).rejects.toThrow(StartError);
  },
);

test('a port that is taken is said in one line', async () => {
  const { port } = server.address() as AddressInfo;
  await expect(serveFailpoints(`127.0.0.1:${port}`, backend)).rejects.toThrow(/^GOFAIL_HTTP: .*EADDRINUSE/);
});
