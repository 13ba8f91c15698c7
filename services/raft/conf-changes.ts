import { ConfOp, type ConfStep, type NodeId } from '../../libs/raft';
import { ConfChangeType, type ConfChange, decodeConfChange } from '../../proto/gen/hexad';
import type { PeerMember } from './config';

/** undefined: not the encoding of a change; such an entry changes nothing, on every member alike. */
export function readConfChange(data: Uint8Array): ConfChange | undefined {
  try {
    return decodeConfChange(data);
  } catch {
    return undefined;
  }
}

const OPS: Readonly<Record<number, number>> = {
  [ConfChangeType.CONF_ADD_VOTER]: ConfOp.AddVoter,
  [ConfChangeType.CONF_ADD_LEARNER]: ConfOp.AddLearner,
  [ConfChangeType.CONF_REMOVE]: ConfOp.Remove,
  [ConfChangeType.CONF_UPDATE]: ConfOp.Update,
  [ConfChangeType.CONF_PROMOTE]: ConfOp.Promote,
};

export function confSteps(change: ConfChange | undefined): readonly ConfStep[] {
  const op = change === undefined ? undefined : OPS[change.type];
  return change === undefined || op === undefined ? [] : [{ op, node: change.nodeId }];
}

/** Who is a member and where, as the configuration entries of the log have it. */
export class MemberBook {
  private readonly byId = new Map<NodeId, PeerMember>();

  get members(): readonly PeerMember[] {
    return [...this.byId.values()];
  }

  apply(change: ConfChange | undefined): void {
    if (change === undefined) return;
    const { type, nodeId: id, name, peerUrls } = change;
    if (type === ConfChangeType.CONF_REMOVE) {
      this.byId.delete(id);
    } else if (peerUrls.length > 0) {
      this.byId.set(id, { id, name: name === '' ? (this.byId.get(id)?.name ?? '') : name, peerUrls });
    }
  }
}
