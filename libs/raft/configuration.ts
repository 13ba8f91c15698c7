import type { ConfState, ConfStep, NodeId } from './types';
import { ConfOp, NO_NODE } from './types';

export const EMPTY_CONF: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] };

/** Both majorities are needed at present. */
export function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0;
}

/** Votes of this node count in one of the groups. */
export function isVoter(conf: ConfState, id: NodeId): boolean {
  return conf.voters.includes(id) || conf.votersOutgoing.includes(id);
}

/** Everyone the log is replicated to. */
export function allMembers(conf: ConfState): NodeId[] {
  return [...new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners, ...conf.learnersNext])];
}

/** The only voter there is: nobody else needs to be asked. */
export function isSoleVoter(conf: ConfState, id: NodeId): boolean {
  return conf.voters.length === 1 && [...conf.voters, ...conf.votersOutgoing].every((voter) => voter === id);
}

/**
 * The configuration after an entry with these steps; undefined if the entry is illegal there (it then changes nothing, on
 * every member alike). One step changes at most one voter, so majorities before and after overlap and it takes effect at
 * once (raft thesis, section 4.1). Several steps enter a joint configuration (4.3), which a LeaveJoint step ends.
 */
export function nextConfiguration(conf: ConfState, steps: readonly ConfStep[]): ConfState | undefined {
  const [first] = steps;
  if (first === undefined) return conf;
  if (first.op === ConfOp.LeaveJoint) return steps.length === 1 && isJoint(conf) ? leaveJoint(conf) : undefined;
  if (isJoint(conf)) return undefined;
  const joint = steps.length > 1;
  const draft: Draft = {
    voters: new Set(conf.voters),
    learners: new Set(conf.learners),
    learnersNext: new Set(),
    outgoing: new Set(joint ? conf.voters : []),
  };
  for (const step of steps) if (!applyStep(draft, step)) return undefined;
  return draft.voters.size === 0 ? undefined : finish(draft);
}

interface Draft {
  readonly voters: Set<NodeId>;
  readonly learners: Set<NodeId>;
  readonly learnersNext: Set<NodeId>;
  readonly outgoing: ReadonlySet<NodeId>;
}

function applyStep(draft: Draft, { op, node }: ConfStep): boolean {
  if (node === NO_NODE) return false;
  switch (op) {
    case ConfOp.AddVoter:
      return makeVoter(draft, node);
    case ConfOp.Promote:
      return (draft.learners.has(node) || draft.learnersNext.has(node)) && makeVoter(draft, node);
    case ConfOp.AddLearner:
      return makeLearner(draft, node);
    case ConfOp.Remove:
      draft.voters.delete(node);
      draft.learners.delete(node);
      draft.learnersNext.delete(node);
      return true;
    case ConfOp.Update:
      return true;
    default:
      return false;
  }
}

function makeVoter(draft: Draft, node: NodeId): boolean {
  draft.learners.delete(node);
  draft.learnersNext.delete(node);
  draft.voters.add(node);
  return true;
}

/** A voter of the outgoing group becomes a learner only when that group has lost its say. */
function makeLearner(draft: Draft, node: NodeId): boolean {
  draft.voters.delete(node);
  if (draft.outgoing.has(node)) draft.learnersNext.add(node);
  else draft.learners.add(node);
  return true;
}

function leaveJoint(conf: ConfState): ConfState {
  return {
    voters: conf.voters,
    votersOutgoing: [],
    learners: sorted([...conf.learners, ...conf.learnersNext]),
    learnersNext: [],
  };
}

function finish(draft: Draft): ConfState {
  return {
    voters: sorted(draft.voters),
    votersOutgoing: sorted(draft.outgoing),
    learners: sorted(draft.learners),
    learnersNext: sorted(draft.learnersNext),
  };
}

/** Sorted, so that members that came to a configuration by different ways hold equal values. */
function sorted(ids: Iterable<NodeId>): NodeId[] {
  return [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
