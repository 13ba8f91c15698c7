import { Errors, type CatalogueError } from '../../../libs/errors';
import { type ChangeKind, type ChangeRefusal, refusalOfChange } from '../../../libs/membership';
import type { Position } from '../../../libs/mvcc';
import {
  type MemberInput,
  writeMemberAddResponse,
  writeMemberPromoteResponse,
  writeMemberRemoveResponse,
  writeMemberUpdateResponse,
} from '../../../proto/gen/etcdserverpb';
import { type ConfChange, ConfChangeType, type MemberAttributes } from '../../../proto/gen/hexad';
import type { ResponseHeaders } from '../headers';
import type { MemberRecord } from '../state/members';
import { setClusterVersion, type ReplicatedState } from '../state/state';
import { answered, done, refused, type ApplyOutcome } from './applier';
import type { FeedChanges } from './feed-changes';

export function memberMessage(member: MemberRecord): MemberInput {
  const { id, name, peerUrls, clientUrls, isLearner } = member;
  return { ID: id, name, peerURLs: peerUrls, clientURLs: clientUrls, isLearner };
}

const KINDS: Readonly<Record<number, ChangeKind>> = {
  [ConfChangeType.CONF_ADD_VOTER]: 'add',
  [ConfChangeType.CONF_ADD_LEARNER]: 'add',
  [ConfChangeType.CONF_REMOVE]: 'remove',
  [ConfChangeType.CONF_UPDATE]: 'update',
  [ConfChangeType.CONF_PROMOTE]: 'promote',
};

const REFUSALS: Readonly<Record<ChangeRefusal, CatalogueError>> = {
  removed: Errors.MemberNotFound,
  exists: Errors.MemberExist,
  'url-used': Errors.PeerURLExist,
  'not-found': Errors.MemberNotFound,
  'not-learner': Errors.MemberNotLearner,
  'last-voter': Errors.MemberNotEnoughStarted,
};

/** Keeps the member records in step with the voter configuration, which raft changes by the same entry. */
export class ConfigurationExecutor {
  constructor(
    private readonly state: ReplicatedState,
    private readonly headers: ResponseHeaders,
    private readonly changes: FeedChanges,
  ) {}

  apply(change: ConfChange, { term }: Position): ApplyOutcome {
    const { members } = this.state;
    const { type, nodeId, peerUrls } = change;
    const kind = KINDS[type] ?? 'unknown';
    const refusal = refusalOfChange(kind, nodeId, peerUrls, {
      members: members.list(),
      wasRemoved: (id) => members.wasRemoved(id),
    });
    if (refusal !== undefined) return refused(REFUSALS[refusal]);
    const member = members.get(nodeId);
    if (member === undefined) return this.add(change, term);
    if (kind === 'remove') return this.remove(nodeId, term);
    return kind === 'update' ? this.update(member, peerUrls, term) : this.promote(member, term);
  }

  private add(change: ConfChange, term: number): ApplyOutcome {
    const member: MemberRecord = {
      id: change.nodeId,
      name: change.name,
      peerUrls: change.peerUrls,
      clientUrls: [],
      isLearner: change.type === ConfChangeType.CONF_ADD_LEARNER,
    };
    this.save(member);
    const body = { member: memberMessage(member), members: this.memberMessages() };
    return answered(this.headers.response(writeMemberAddResponse, body, 0, term));
  }

  private remove(id: bigint, term: number): ApplyOutcome {
    this.state.members.remove(id);
    this.changes.memberRemoved(id);
    return answered(this.headers.response(writeMemberRemoveResponse, { members: this.memberMessages() }, 0, term));
  }

  private update(member: MemberRecord, peerUrls: readonly string[], term: number): ApplyOutcome {
    this.save({ ...member, peerUrls });
    return answered(this.headers.response(writeMemberUpdateResponse, { members: this.memberMessages() }, 0, term));
  }

  private promote(member: MemberRecord, term: number): ApplyOutcome {
    this.save({ ...member, isLearner: false });
    return answered(this.headers.response(writeMemberPromoteResponse, { members: this.memberMessages() }, 0, term));
  }

  private save(member: MemberRecord): void {
    this.state.members.put(member);
    this.changes.memberChanged(member);
  }

  private memberMessages(): MemberInput[] {
    return this.state.members.list().map(memberMessage);
  }
}

/** What a member says of itself: its name and where clients reach it. */
export function applyMemberAttributes(
  state: ReplicatedState,
  changes: FeedChanges,
  { id, name, clientUrls }: MemberAttributes,
): ApplyOutcome {
  const member = state.members.get(id);
  if (member === undefined) return refused(Errors.MemberNotFound);
  const changed = { ...member, name, clientUrls };
  state.members.put(changed);
  changes.memberChanged(changed);
  return done();
}

export function applyClusterVersion(state: ReplicatedState, changes: FeedChanges, version: string): ApplyOutcome {
  setClusterVersion(state, version);
  changes.clusterVersionChanged(version);
  return done();
}
