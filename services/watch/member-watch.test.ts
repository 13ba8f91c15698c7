import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, connect, createServer, type RpcServer, type StreamCall } from '../../libs/rpc';
import { encodeRaftStatus, RAFT_PATHS } from '../../proto/gen/hexad';
import { MemberWatch } from './member-watch';

const directory = mkdtempSync(join(tmpdir(), 'hexad-member-watch-'));
const address = { kind: 'unix', path: join(directory, 'raft.sock') } as const;
let server: RpcServer;
let raft: Channel;
let status: StreamCall | undefined;
let watch: MemberWatch;
let time = 0;
let moves: string[] = [];

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

beforeEach(async () => {
  time = 0;
  moves = [];
  status = undefined;
  server = createServer();
  server.addHandlers({ stream: { [RAFT_PATHS.Status]: (call) => void (status = call) } });
  await server.listen(address);
  raft = connect(address);
  const attachment = { moveOn: (reason: string) => moves.push(reason) > 0 };
  watch = new MemberWatch({ attachment, raft, leaderlessMaxMs: 3_000, now: () => time });
  await until(() => status !== undefined);
});

afterEach(async () => {
  watch.close();
  raft.close();
  await server.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

test('a member whose storage is silent is left, and the next one is given as long', async () => {
  time = 1_400;
  watch.heard();
  time = 3_000;
  await until(() => moves.length === 1);
  expect(moves).toEqual(['its storage is silent']);
  time = 4_600;
  await until(() => moves.length === 2);
});

test('a member that speaks but has no leader is left', async () => {
  status?.send(encodeRaftStatus({ leaderId: 1n }));
  status?.send(encodeRaftStatus({ leaderId: 0n }));
  const speak = setInterval(() => watch.heard(), 10);
  await until(() => {
    time += 100;
    return moves.length > 0;
  });
  clearInterval(speak);
  expect(moves[0]).toBe('it has no leader');
  expect(time).toBeGreaterThan(3_000);
});
