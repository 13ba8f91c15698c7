import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLink, createServer, type RpcServer } from '../rpc';
import { Attachment } from './attachment';

const PATH = '/test.Test/Who';
const directory = mkdtempSync(join(tmpdir(), 'hexad-attachment-'));
const log = { info: () => undefined, warn: () => undefined };
const servers: RpcServer[] = [];

function member(name: string, socket = name) {
  const address = `unix:${join(directory, socket)}`;
  return { name, addresses: { raft: address, storage: address, lease: address, auth: address } };
}

async function serve(name: string): Promise<void> {
  const server = createServer();
  servers.push(server);
  server.addHandlers({ stream: { [PATH]: (call) => void call.send(new TextEncoder().encode(name)) } });
  await server.listen({ kind: 'unix', path: join(directory, name) });
}

/** The names of the members that a link has been answered by. */
function follow(attachment: Attachment) {
  const seen: string[] = [];
  let wake: () => void = () => undefined;
  const link = createLink({
    channel: attachment.channel('storage', {}),
    path: PATH,
    onMessage: (message) => {
      seen.push(new TextDecoder().decode(message));
      wake();
    },
  });
  const until = async (count: number): Promise<string[]> => {
    while (seen.length < count) await new Promise<void>((resolve) => (wake = resolve));
    return seen;
  };
  return { link, until };
}

beforeAll(() => Promise.all(['a', 'b', 'a2'].map(serve)));
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(directory, { recursive: true });
});

test('a link follows the attachment from member to member and around', async () => {
  const attachment = new Attachment([member('a'), member('b')], 0, log);
  let moves = 0;
  attachment.onMoved(() => moves++);
  const { link, until } = follow(attachment);
  expect(await until(1)).toEqual(['a']);
  expect(attachment.moveOn('test')).toBe(true);
  expect(await until(2)).toEqual(['a', 'b']);
  attachment.moveOn('test');
  expect(await until(3)).toEqual(['a', 'b', 'a']);
  expect(moves).toBe(2);
  link.close();
});

test('a member that is still listed is kept, one at another address is followed there, an empty list changes nothing', async () => {
  const attachment = new Attachment([member('a')], 0, log);
  expect(attachment.moveOn('nobody else is there')).toBe(false);
  let moves = 0;
  attachment.onMoved(() => moves++);
  const { link, until } = follow(attachment);
  await until(1);
  attachment.setCandidates([member('b'), member('a')]);
  attachment.setCandidates([]);
  expect([moves, attachment.current.name]).toEqual([0, 'a']);
  attachment.setCandidates([member('a', 'a2'), member('b')]);
  expect(await until(2)).toEqual(['a', 'a2']);
  attachment.setCandidates([member('b')]);
  expect(await until(3)).toEqual(['a', 'a2', 'b']);
  link.close();
});
