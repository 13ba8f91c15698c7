import { memberId } from '../../libs/config';
import { type CatalogueError, Errors } from '../../libs/errors';
import {
  CLUSTER_PATHS,
  decodeMemberAddRequest,
  decodeMemberListRequest,
  decodeMemberPromoteRequest,
  decodeMemberRemoveRequest,
  decodeMemberUpdateRequest,
} from '../../proto/gen/etcdserverpb';
import { type ConfChangeInput, ConfChangeType, encodeConfChange, StorageMethod } from '../../proto/gen/hexad';
import type { MemberView } from './member-view';
import type { Permissions } from './permissions';
import { mayAddVoter, mayPromote, mayRemove } from './quorum-guard';
import type { ReadPipeline } from './reads';
import type { UnaryRequest } from './requests';
import type { Routes } from './router';
import type { WritePipeline } from './writes';

export interface ClusterOptions {
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly view: MemberView;
  readonly permissions: Permissions;
  readonly clusterToken: string;
  readonly maxLearners: number;
  /** Refuse changes that would leave too few started voters. */
  readonly strictReconfigCheck: boolean;
  readonly wallClock: () => number;
}

/** etcdserverpb.Cluster. What is checked here is checked again at apply; raft's leader has the last word on quorums. */
export function clusterRoutes(options: ClusterOptions): Routes {
  const { reads } = options;
  return {
    unary: {
      [CLUSTER_PATHS.MemberList]: {
        handle: (request) => {
          const { linearizable } = decodeMemberListRequest(request.body);
          const { body, identity } = request;
          if (linearizable) reads.linearizable(StorageMethod.STORAGE_MEMBER_LIST, body, identity, request);
          else reads.serializable(StorageMethod.STORAGE_MEMBER_LIST, body, identity, request);
        },
      },
      [CLUSTER_PATHS.MemberAdd]: { handle: (request) => addMember(options, request) },
      [CLUSTER_PATHS.MemberRemove]: { handle: (request) => removeMember(options, request) },
      [CLUSTER_PATHS.MemberUpdate]: { handle: (request) => updateMember(options, request) },
      [CLUSTER_PATHS.MemberPromote]: { handle: (request) => promoteMember(options, request) },
    },
  };
}

function addMember(options: ClusterOptions, request: UnaryRequest): void {
  const { peerURLs, isLearner } = decodeMemberAddRequest(request.body);
  const { view, maxLearners, clusterToken, wallClock, strictReconfigCheck } = options;
  const learners = [...view.members.values()].filter((member) => member.isLearner).length;
  const error = !areUrls(peerURLs)
    ? Errors.MemberBadURLs
    : isUsed(view, peerURLs, 0n)
      ? Errors.PeerURLExist
      : isLearner && learners >= maxLearners
        ? Errors.TooManyLearners
        : strictReconfigCheck && !isLearner && !mayAddVoter(view.members.values())
          ? Errors.MemberNotEnoughStarted
          : undefined;
  const nodeId = memberId(peerURLs, clusterToken, Math.floor(wallClock() / 1000));
  const type = isLearner ? ConfChangeType.CONF_ADD_LEARNER : ConfChangeType.CONF_ADD_VOTER;
  propose(options, request, error, { type, nodeId, peerUrls: peerURLs });
}

function removeMember(options: ClusterOptions, request: UnaryRequest): void {
  const { ID } = decodeMemberRemoveRequest(request.body);
  const { view, strictReconfigCheck } = options;
  const member = view.members.get(ID);
  const error =
    member === undefined
      ? Errors.MemberNotFound
      : strictReconfigCheck && !mayRemove(view.members.values(), member)
        ? Errors.MemberNotEnoughStarted
        : undefined;
  propose(options, request, error, { type: ConfChangeType.CONF_REMOVE, nodeId: ID });
}

function updateMember(options: ClusterOptions, request: UnaryRequest): void {
  const { ID, peerURLs } = decodeMemberUpdateRequest(request.body);
  const { view } = options;
  const error = !areUrls(peerURLs)
    ? Errors.MemberBadURLs
    : !view.members.has(ID)
      ? Errors.MemberNotFound
      : isUsed(view, peerURLs, ID)
        ? Errors.PeerURLExist
        : undefined;
  propose(options, request, error, { type: ConfChangeType.CONF_UPDATE, nodeId: ID, peerUrls: peerURLs });
}

function promoteMember(options: ClusterOptions, request: UnaryRequest): void {
  const { ID } = decodeMemberPromoteRequest(request.body);
  const { view, strictReconfigCheck } = options;
  const member = view.members.get(ID);
  const error =
    member === undefined
      ? Errors.MemberNotFound
      : !member.isLearner
        ? Errors.MemberNotLearner
        : strictReconfigCheck && !mayPromote(view.members.values())
          ? Errors.MemberNotEnoughStarted
          : undefined;
  propose(options, request, error, { type: ConfChangeType.CONF_PROMOTE, nodeId: ID });
}

/** The right to do it is looked at before the request, so that a stranger learns nothing about the members. */
function propose(
  { writes, permissions }: ClusterOptions,
  request: UnaryRequest,
  error: CatalogueError | undefined,
  change: ConfChangeInput,
): void {
  permissions.asRoot(request, () => {
    if (error !== undefined) {
      request.fail(error);
      return;
    }
    const { user, authRevision } = request.identity;
    const make = (origin: number, sequence: number): Uint8Array =>
      encodeConfChange({ ...change, origin, sequence, user, authRevision });
    writes.submitConfChange(make, request.identity, request);
  });
}

function areUrls(urls: readonly string[]): boolean {
  return urls.length > 0 && urls.every(isPeerUrl);
}

/** etcd's rule: a scheme it serves, a host and a port, no path. */
function isPeerUrl(text: string): boolean {
  if (!/^(https?|unixs?):\/\//.test(text)) return false;
  const [, scheme = '', rest = ''] = /^(\w+):\/\/(.*)$/.exec(text) ?? [];
  if (scheme.startsWith('unix')) return rest !== '';
  return /^(\[[0-9a-fA-F:.]+\]|[^/:\s]+):\d{1,5}\/?$/.test(rest);
}

function isUsed(view: MemberView, urls: readonly string[], except: bigint): boolean {
  for (const member of view.members.values()) {
    if (member.id !== except && member.peerUrls.some((url) => urls.includes(url))) return true;
  }
  return false;
}
