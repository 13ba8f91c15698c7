import { type ChangeKind, refusalOfChange } from '../../libs/membership';
import { ConfOp, type ConfStep, type NodeId } from '../../libs/raft';
import { ConfChangeType, type ConfChange, decodeConfChange, type StoreSnapshot } from '../../proto/gen/hexad';
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

const KINDS: Readonly<Record<number, ChangeKind>> = {
  [ConfChangeType.CONF_ADD_VOTER]: 'add',
  [ConfChangeType.CONF_ADD_LEARNER]: 'add',
  [ConfChangeType.CONF_REMOVE]: 'remove',
  [ConfChangeType.CONF_UPDATE]: 'update',
  [ConfChangeType.CONF_PROMOTE]: 'promote',
};

/** A member as the book has it. */
export interface BookMember extends PeerMember {
  readonly isLearner: boolean;
}

/** Who is a member and where, as the configuration entries of the log up to `index` have it. */
export class MemberBook {
  private byId = new Map<NodeId, BookMember>();
  private removedIds = new Set<NodeId>();
  /** The last configuration entry that is in it. */
  index = 0;

  get members(): readonly BookMember[] {
    return [...this.byId.values()];
  }

  get removed(): readonly NodeId[] {
    return [...this.removedIds];
  }

  wasRemoved(id: NodeId): boolean {
    return this.removedIds.has(id);
  }

  /** Takes the next configuration entry. Gives its steps for the core, none if it is without effect. */
  apply(index: number, change: ConfChange | undefined): readonly ConfStep[] {
    this.index = index;
    if (change === undefined) return [];
    const { type, nodeId: id, peerUrls, name } = change;
    const op = OPS[type];
    if (op === undefined || refusalOfChange(KINDS[type] ?? 'unknown', id, peerUrls, this) !== undefined) return [];
    const before = this.byId.get(id);
    if (type === ConfChangeType.CONF_REMOVE) {
      this.byId.delete(id);
      this.removedIds.add(id);
    } else {
      const isLearner =
        type === ConfChangeType.CONF_ADD_LEARNER || (type === ConfChangeType.CONF_UPDATE && before?.isLearner === true);
      const urls = type === ConfChangeType.CONF_PROMOTE ? (before?.peerUrls ?? []) : peerUrls;
      this.byId.set(id, { id, name: name === '' ? (before?.name ?? '') : name, peerUrls: urls, isLearner });
    }
    return [{ op, node: id }];
  }

  /** Replaces everything by what a snapshot stands for. */
  restore({ index, members, removed }: Pick<StoreSnapshot, 'index' | 'members' | 'removed'>): void {
    this.index = index;
    this.byId = new Map(members.map(({ id, name, peerUrls, isLearner }) => [id, { id, name, peerUrls, isLearner }]));
    this.removedIds = new Set(removed);
  }
}
