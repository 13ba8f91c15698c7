import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { InitialMember, MemberConfig } from '../../libs/config';
import { peerAddress, peerClientTls } from '../../libs/peer-address';
import { StartError } from '../../libs/process';
import { connect } from '../../libs/rpc';
import {
  decodePeerMembersResponse,
  encodePeerMembersRequest,
  PEER_PATHS,
  type PeerMembersResponse,
  type SnapshotMember,
} from '../../proto/gen/hexad';

/** Per peer URL; a member that is up answers in milliseconds. */
const ASK_MS = 3_000;

/**
 * The configuration with the ids that the running cluster has for its members, this one included: of a member that was
 * added later they can't be derived from the flags. Only for the first start with `--initial-cluster-state existing`.
 *
 * @throws StartError when no member answers, or `--initial-cluster` is not what the cluster says
 */
export async function withJoinedIdentity(config: MemberConfig): Promise<MemberConfig> {
  if (config.clusterState !== 'existing' || hasBegun(config)) return config;
  const [cluster] = await askPeers(config);
  if (cluster === undefined) {
    throw new StartError(
      'cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs',
    );
  }
  const initialMembers = matched(config, cluster);
  const own = initialMembers.find(({ name }) => name === config.name);
  return { ...config, initialMembers, memberId: own?.id ?? '0', clusterId: cluster.clusterId.toString(16) };
}

/**
 * A member that begins a cluster must not have been in it before: with an empty log it could vote a second time.
 *
 * @throws StartError when the others say that it was
 */
export async function refuseSecondBeginning(config: MemberConfig): Promise<void> {
  if (config.clusterState !== 'new' || hasBegun(config) || config.initialMembers.length < 2) return;
  const id = BigInt(`0x${config.memberId}`);
  const clusters = await askPeers(config);
  const foreign = clusters.find(({ clusterId }) => clusterId.toString(16) !== config.clusterId);
  if (foreign !== undefined) {
    throw new StartError(
      `cluster ID mismatch: the other members are of cluster ${foreign.clusterId.toString(16)}, and with its flags this one would begin cluster ${config.clusterId}: ` +
        'give it the --initial-cluster and --initial-cluster-token that they began with, or add it to theirs with --initial-cluster-state existing',
    );
  }
  // One of them may be behind and not know.
  const isKnown = clusters.some(
    ({ clusterId, started }) => clusterId.toString(16) === config.clusterId && started.includes(id),
  );
  if (isKnown)
    throw new StartError(
      `member ${config.memberId} has already been bootstrapped: if its data is lost, remove it from the cluster and add it again; ` +
        'if another member has this --name, give this one its own',
    );
}

function hasBegun(config: MemberConfig): boolean {
  return existsSync(join(config.paths.memberDir, 'wal-begun'));
}

/** The answers of those that know of members. */
async function askPeers(config: MemberConfig): Promise<PeerMembersResponse[]> {
  const others = config.initialMembers.filter(({ name }) => name !== config.name);
  const answers = await Promise.all(others.flatMap(({ peerUrls }) => peerUrls.map((url) => ask(config, url))));
  return answers.flatMap((answer) => (answer !== undefined && answer.members.length > 0 ? [answer] : []));
}

function ask(config: MemberConfig, url: string): Promise<PeerMembersResponse | undefined> {
  const target = peerAddress(url);
  if (target === undefined) return Promise.resolve(undefined);
  const { address, isTls } = target;
  const host = address.kind === 'tcp' ? address.host : 'localhost';
  const channel = connect(address, {
    engine: config.rpcEngine,
    connectTimeoutMs: ASK_MS,
    ...(isTls ? { tls: peerClientTls(config.tls.peer, host) } : {}),
  });
  return new Promise((resolve) => {
    channel.unary(PEER_PATHS.Members, encodePeerMembersRequest({}), { timeoutMs: ASK_MS }, (result) => {
      channel.close();
      resolve(result.ok ? decodePeerMembersResponse(result.response) : undefined);
    });
  });
}

/** etcd's check: as many members on both sides, with the same peer URLs; names are this member's own business. */
function matched(config: MemberConfig, { members }: PeerMembersResponse): InitialMember[] {
  const wrong = (why: string): StartError => {
    const existing = members.map(({ id, name, peerUrls }) => `{${id.toString(16)} ${name} ${peerUrls.join(',')}}`);
    return new StartError(`error validating peerURLs ${existing.join(' ')}: ${why}`);
  };
  if (members.length !== config.initialMembers.length) throw wrong('member count is unequal');
  return config.initialMembers.map((member) => {
    const found = members.find((existing) => sameUrls(existing, member));
    if (found === undefined) throw wrong(`unmatched member while checking PeerURLs (${member.peerUrls.join(',')})`);
    return { ...member, id: found.id.toString(16) };
  });
}

function sameUrls(a: Pick<SnapshotMember, 'peerUrls'>, b: Pick<InitialMember, 'peerUrls'>): boolean {
  return [...a.peerUrls].sort().join() === [...b.peerUrls].sort().join();
}
