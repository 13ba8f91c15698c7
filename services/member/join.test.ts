import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MemberConfig, memberConfig, parseArguments } from '../../libs/config';
import { createServer, type RpcServer } from '../../libs/rpc';
import { encodePeerMembersResponse, PEER_PATHS, type PeerMembersResponseInput } from '../../proto/gen/hexad';
import { refuseSecondBeginning, withJoinedIdentity } from './join';

let directory: string;
let server: RpcServer;
let url: string;
let answer: PeerMembersResponseInput;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hexad-join-'));
  server = createServer();
  server.addHandlers({ unary: { [PEER_PATHS.Members]: (call) => call.reply(encodePeerMembersResponse(answer)) } });
  const address = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${address.kind === 'tcp' ? address.port : 0}`;
  answer = {
    clusterId: 0xc1n,
    members: [
      { id: 0xa1n, name: 'm1', peerUrls: [url], isLearner: false },
      { id: 0xb2n, name: '', peerUrls: ['http://127.0.0.1:2', 'http://127.0.0.1:1'], isLearner: true },
    ],
    removed: [],
    started: [0xa1n],
  };
});

afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

function config(state: string, ...flags: string[]): MemberConfig {
  return memberConfig(
    parseArguments([
      '--name=m2',
      `--data-dir=${directory}`,
      '--initial-advertise-peer-urls=http://127.0.0.1:1,http://127.0.0.1:2',
      `--initial-cluster=m1=${url},m2=http://127.0.0.1:1,m2=http://127.0.0.1:2`,
      `--initial-cluster-state=${state}`,
      ...flags,
    ]),
  );
}

test('a member that joins has the ids that the cluster has for it and the others, whatever the order of URLs', async () => {
  const joined = await withJoinedIdentity(config('existing'));
  expect([joined.clusterId, joined.memberId]).toEqual(['c1', 'b2']);
  expect(Object.fromEntries(joined.initialMembers.map(({ id, name }) => [name, id]))).toEqual({ m1: 'a1', m2: 'b2' });
});

test('a member that was not added, or under other URLs, is told so', async () => {
  answer = { ...answer, members: answer.members?.slice(0, 1) };
  await expect(withJoinedIdentity(config('existing'))).rejects.toThrow(
    /^error validating peerURLs .*: member count is unequal$/,
  );
  answer = {
    ...answer,
    members: [...(answer.members ?? []), { id: 0xb2n, name: '', peerUrls: ['http://127.0.0.1:3'], isLearner: false }],
  };
  await expect(withJoinedIdentity(config('existing'))).rejects.toThrow(/unmatched member while checking PeerURLs/);
});

test('nobody that answers is an error; so is one that knows of no members yet', async () => {
  const lost = /could not retrieve cluster information from the given URLs/;
  answer = { ...answer, members: [] };
  await expect(withJoinedIdentity(config('existing'))).rejects.toThrow(lost);
  await server.close();
  await expect(withJoinedIdentity(config('existing'))).rejects.toThrow(lost);
});

test('nobody is asked by a member that has begun, or begins a cluster', async () => {
  answer = { ...answer, members: [] };
  const fresh = config('new');
  expect(await withJoinedIdentity(fresh)).toBe(fresh);
  mkdirSync(join(directory, 'member'));
  writeFileSync(join(directory, 'member', 'wal-begun'), 'member b2 of cluster c1\n');
  const begun = config('existing');
  expect(await withJoinedIdentity(begun)).toBe(begun);
});

test('a member that has been in the cluster it begins is refused, since it has lost its log', async () => {
  const wanted = config('new');
  const ids = { clusterId: BigInt(`0x${wanted.clusterId}`), started: [0xa1n, BigInt(`0x${wanted.memberId}`)] };
  answer = { ...answer, ...ids };
  await expect(refuseSecondBeginning(wanted)).rejects.toThrow(
    `member ${wanted.memberId} has already been bootstrapped`,
  );
  // Not yet started, another cluster, nobody there: it may begin.
  answer = { ...answer, started: [0xa1n] };
  await expect(refuseSecondBeginning(wanted)).resolves.toBeUndefined();
  answer = { ...answer, ...ids, clusterId: 5n };
  await expect(refuseSecondBeginning(wanted)).rejects.toThrow(
    `cluster ID mismatch: the other members are of cluster 5, and with its flags this one would begin cluster ${wanted.clusterId}`,
  );
  await server.close();
  await expect(refuseSecondBeginning(wanted)).resolves.toBeUndefined();
});
