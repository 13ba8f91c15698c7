import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { Announcer, Directory } from './directory';
import { NatsMessenger, type NatsOptions } from './nats-messenger';
import { hasNats, NatsServer } from './testing/nats-server';

const WAIT_MS = 15_000;
const withNats = hasNats ? describe : describe.skip;
const directory = mkdtempSync(join(tmpdir(), 'hexad-nats-'));
const log = { info: () => undefined, warn: () => undefined };
const plain = { credentialsFile: '', caFile: '', certFile: '', keyFile: '', name: 'test' };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let servers: NatsServer[] = [];
let messengers: NatsMessenger[] = [];

async function until(what: string, holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function serve(...flags: string[]): Promise<NatsServer> {
  const server = await NatsServer.start(flags);
  servers.push(server);
  return server;
}

function connect(server: NatsServer, options: Partial<NatsOptions> = {}): NatsMessenger {
  const messenger = new NatsMessenger({ ...plain, servers: [server.url], ...options }, log);
  messengers.push(messenger);
  return messenger;
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

function collect(messenger: NatsMessenger, subject: string): string[] {
  const heard: string[] = [];
  messenger.subscribe(subject, (message) => heard.push(new TextDecoder().decode(message)));
  return heard;
}

afterEach(async () => {
  await Promise.all(messengers.map((messenger) => messenger.close()));
  await Promise.all(servers.map((server) => server.kill()));
  messengers = [];
  servers = [];
});
afterAll(() => rmSync(directory, { recursive: true }));

withNats('a connection to NATS', () => {
  test('carries messages, and is there again after the server was killed and started anew', async () => {
    const server = await serve();
    const [from, to] = [connect(server), connect(server)];
    const heard = collect(to, 'hexad.1.events.2');
    await until('both are connected', () => from.isConnected && to.isConnected);
    await until('the subscription is known', () => from.publish('hexad.1.events.2', bytes('a')) && heard.length > 0);
    await server.kill();
    await until('the loss is noticed', () => !from.isConnected);
    expect(from.publish('hexad.1.events.2', bytes('nobody'))).toBe(false);
    await server.start();
    await until('messages pass again', () => from.publish('hexad.1.events.2', bytes('b')) && heard.includes('b'));
    expect(heard).not.toContain('nobody');
  }, 60_000);

  test('carries the trace of what caused a message in its header, and nothing where there is none', async () => {
    const server = await serve();
    const [from, to] = [connect(server), connect(server)];
    const traces: string[] = [];
    to.subscribe('x', (_, traceparent) => traces.push(traceparent));
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await until('the subscription is known', () => from.publish('x', bytes('a')) && traces.length > 0);
    expect(new Set(traces)).toEqual(new Set(['']));
    await until('a trace has come', () => from.publish('x', bytes('b'), traceparent) && traces.includes(traceparent));
  }, 60_000);

  test('waits for a server that is not there yet', async () => {
    const server = await serve();
    await server.kill();
    const messenger = connect(server);
    expect(messenger.publish('x', bytes('early'))).toBe(false);
    await server.start();
    await until('it is connected', () => messenger.isConnected);
  }, 60_000);

  test('drops what is larger than the server takes, and stays', async () => {
    const server = await serve();
    const messenger = connect(server);
    await until('it is connected', () => messenger.isConnected);
    expect(messenger.publish('x', new Uint8Array(2_000_000))).toBe(false);
    expect(messenger.dropped).toBe(1);
    const heard = collect(messenger, 'x');
    await until('a small one passes', () => messenger.publish('x', bytes('small')) && heard.length > 0);
  }, 60_000);

  test('logs in with a password from the URL or a file, or with a token, and not with a wrong one', async () => {
    const server = await serve('--user', 'ann', '--pass', 'se:cret');
    const byUrl = connect(server, {
      servers: [`nats://ann:${encodeURIComponent('se:cret')}@127.0.0.1:${server.port}`],
    });
    const byFile = connect(server, { credentialsFile: file('password', 'ann:se:cret\n') });
    const wrong = connect(server, { credentialsFile: file('wrong', 'ann:guess') });
    const none = connect(server);
    await until('those who may are in', () => byUrl.isConnected && byFile.isConnected);
    const locked = await serve('--auth', 'sesame');
    const byToken = connect(locked, { credentialsFile: file('token', 'sesame\n') });
    await until('the token opens', () => byToken.isConnected);
    expect([wrong.isConnected, none.isConnected]).toEqual([false, false]);
    expect(wrong.publish('x', bytes('no'))).toBe(false);
  }, 60_000);

  test('speaks TLS with a client certificate, and to no server that it can not verify', async () => {
    const own = await generate([{ name: 'commonName', value: 'localhost' }], {
      keyType: 'ec',
      extensions: [
        { name: 'basicConstraints', cA: true },
        {
          name: 'subjectAltName',
          altNames: [
            { type: 7, ip: '127.0.0.1' },
            { type: 2, value: 'localhost' },
          ],
        },
      ],
    });
    const other = await generate([{ name: 'commonName', value: 'other' }], { keyType: 'ec' });
    const [certFile, keyFile] = [file('cert.pem', own.cert), file('key.pem', own.private)];
    const tls = ['--tls', '--tlscert', certFile, '--tlskey', keyFile, '--tlscacert', certFile, '--tlsverify'];
    const server = await serve(...tls);
    const secure = connect(server, { caFile: certFile, certFile, keyFile });
    const deceived = connect(server, { caFile: file('other.pem', other.cert), certFile, keyFile });
    const anonymous = connect(server, { caFile: certFile });
    await until('the one with a certificate is in', () => secure.isConnected);
    const heard = collect(secure, 'x');
    await until('messages pass', () => secure.publish('x', bytes('sealed')) && heard.length > 0);
    expect([deceived.isConnected, anonymous.isConnected]).toEqual([false, false]);
  }, 60_000);

  test('those who announce themselves are listed until they leave or fall silent, and while the bus is away', async () => {
    const server = await serve();
    const [speaker, listener] = [connect(server), connect(server)];
    let listed: string[] = [];
    const decode = (message: Uint8Array) =>
      JSON.parse(new TextDecoder().decode(message)) as { name: string; leaving: boolean };
    const list = new Directory(listener, 'who.*', decode, (entries) => {
      listed = entries.map(({ name }) => name);
    });
    const announce = (name: string): Announcer =>
      new Announcer(speaker, `who.${name}`, (leaving) => bytes(JSON.stringify({ name, leaving })));
    const [a, b] = [announce('b'), announce('a')];
    await until('both are listed', () => listed.join() === 'a,b');
    speaker.publish('who.c', bytes('no JSON'));
    b.leave();
    await until('one has left', () => listed.join() === 'b');
    await server.kill();
    await until('the loss is noticed', () => !listener.isConnected);
    expect(listed).toEqual(['b']);
    await server.start();
    await until('the bus is there', () => listener.isConnected && speaker.isConnected);
    await speaker.close();
    await until('the silent one is forgotten', () => listed.length === 0);
    a.leave();
    list.close();
  }, 60_000);
});

test('a file that can not be read is an error at once', () => {
  expect(() => new NatsMessenger({ ...plain, servers: ['nats://127.0.0.1:1'], credentialsFile: '/none' }, log)).toThrow(
    /ENOENT/,
  );
});
