import { Errors, type CatalogueError } from '../../../libs/errors';
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

/** Keeps the member records in step with the voter configuration, which raft changes by the same entry. */
export class ConfigurationExecutor {
  constructor(
    private readonly state: ReplicatedState,
    private readonly headers: ResponseHeaders,
    private readonly changes: FeedChanges,
  ) {}

  apply(change: ConfChange, position: Position): ApplyOutcome {
    switch (change.type) {
      case ConfChangeType.CONF_ADD_VOTER:
      case ConfChangeType.CONF_ADD_LEARNER:
        return this.add(change, position.term);
      case ConfChangeType.CONF_REMOVE:
        return this.remove(change.nodeId, position.term);
      case ConfChangeType.CONF_UPDATE:
        return this.update(change, position.term);
      case ConfChangeType.CONF_PROMOTE:
        return this.promote(change.nodeId, position.term);
      default:
        return refused(Errors.MemberNotFound);
    }
  }

  private add(change: ConfChange, term: number): ApplyOutcome {
    const error = this.whyNotAdd(change);
    if (error !== undefined) return refused(error);
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

  private whyNotAdd({ nodeId, peerUrls }: ConfChange): CatalogueError | undefined {
    const { members } = this.state;
    if (members.wasRemoved(nodeId)) return Errors.MemberNotFound;
    if (members.get(nodeId) !== undefined) return Errors.MemberExist;
    return members.usesPeerUrl(peerUrls, nodeId) ? Errors.PeerURLExist : undefined;
  }

  private remove(id: bigint, term: number): ApplyOutcome {
    const { members } = this.state;
    if (members.get(id) === undefined) return refused(Errors.MemberNotFound);
    members.remove(id);
    this.changes.memberRemoved(id);
    return answered(this.headers.response(writeMemberRemoveResponse, { members: this.memberMessages() }, 0, term));
  }

  private update({ nodeId, peerUrls }: ConfChange, term: number): ApplyOutcome {
    const member = this.state.members.get(nodeId);
    if (member === undefined) return refused(Errors.MemberNotFound);
    if (this.state.members.usesPeerUrl(peerUrls, nodeId)) return refused(Errors.PeerURLExist);
    this.save({ ...member, peerUrls });
    return answered(this.headers.response(writeMemberUpdateResponse, { members: this.memberMessages() }, 0, term));
  }

  private promote(id: bigint, term: number): ApplyOutcome {
    const member = this.state.members.get(id);
    if (member === undefined) return refused(Errors.MemberNotFound);
    if (!member.isLearner) return refused(Errors.MemberNotLearner);
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
