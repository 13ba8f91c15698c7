import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLink, createServer, type EngineName, type Link, type RpcServer, type StreamCall } from './index';

// Time for a machine that does much else; grpc-js is slow.
jest.setTimeout(30_000);

const engines: readonly EngineName[] = ['native', 'grpc-js'];

describe.each(engines)('a link on %s', (engine) => {
  let directory: string;
  let path: string;
  let server: RpcServer;
  let link: Link;
  let events: string[];
  let changed: () => void;

  async function serve(): Promise<StreamCall[]> {
    const calls: StreamCall[] = [];
    server = createServer({ engine });
    server.addHandlers({
      stream: {
        '/t.T/Link': (call) => {
          calls.push(call);
          call.onMessage((message) => void call.send(Buffer.from(`<${Buffer.from(message).toString()}>`)));
        },
      },
    });
    await server.listen({ kind: 'unix', path });
    return calls;
  }

  function note(event: string): void {
    events.push(event);
    changed();
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  }

  function connectLink(): void {
    link = createLink({
      address: { kind: 'unix', path },
      channelOptions: { engine },
      path: '/t.T/Link',
      firstMessage: () => Buffer.from('hello'),
      onOpen: () => note('open'),
      onMessage: (message) => note(Buffer.from(message).toString()),
      onClose: ({ code }) => note(`closed ${code}`),
      onConnectError: ({ code }) => note(`failed ${code}`),
    });
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
    path = join(directory, 's.sock');
    events = [];
    changed = () => {};
  });
  afterEach(async () => {
    link.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('sends its first message on each stream, and only sends while it is open', async () => {
    await serve();
    connectLink();
    expect(link.send(Buffer.from('too early'))).toBe(false);
    await until(() => events.includes('<hello>'));
    expect(link.send(Buffer.from('now'))).toBe(true);
    await until(() => events.includes('<now>'));
    expect(events).toEqual(['open', '<hello>', '<now>']);
  });

  test('comes back when the server does, and repeats nothing', async () => {
    await serve();
    connectLink();
    await until(() => events.includes('<hello>'));
    await server.close();
    await until(() => events.some((each) => each.startsWith('closed')));
    expect(link.isOpen).toBe(false);
    await until(() => events.includes('failed 14'));
    await serve();
    await until(() => events.filter((each) => each === '<hello>').length === 2);
    expect(events.filter((each) => each === 'open')).toHaveLength(2);
  });

  test('comes back when the peer ends the stream', async () => {
    const calls = await serve();
    connectLink();
    await until(() => events.includes('<hello>'));
    calls[0]?.end();
    await until(() => events.filter((each) => each === '<hello>').length === 2);
    expect(events.filter((each) => each.startsWith('closed'))).toEqual(['closed 14']);
  });

  test('a closed link stays closed', async () => {
    const calls = await serve();
    connectLink();
    await until(() => events.includes('<hello>'));
    const ended = new Promise<void>((resolve) => calls[0]?.onClose(resolve));
    link.close();
    await ended;
    expect(link.send(Buffer.from('x'))).toBe(false);
    expect(calls).toHaveLength(1);
  });
});
