import type { NodeId, RaftCore } from '../../libs/raft';
import type { StreamCall, StreamHandler } from '../../libs/rpc';
import { encodeRaftStatus } from '../../proto/gen/hexad';
import type { Consensus } from './consensus';
import type { RaftSettings } from './config';

const NOTHING_SENT = {
  term: -1,
  leader: 0n,
  termStartIndex: 0,
  confState: { voters: [], votersOutgoing: [], learners: [], learnersNext: [] },
};

/** Tells siblings who leads, in which term, and who votes: at once, and at each change. */
export class StatusFeed {
  private readonly calls = new Set<StreamCall>();
  private readonly versions = new Map<NodeId, string>();
  private last: Pick<RaftCore, 'term' | 'leader' | 'termStartIndex' | 'confState'> = NOTHING_SENT;

  constructor(
    private readonly consensus: Consensus,
    private readonly settings: RaftSettings,
  ) {}

  readonly serve: StreamHandler = (call) => {
    call.onMessage(() => undefined);
    call.onClose(() => this.calls.delete(call));
    this.calls.add(call);
    call.send(this.encode());
  };

  /** A member has said of which version it is. */
  heardOf(id: NodeId, version: string): void {
    if (this.versions.get(id) === version) return;
    this.versions.set(id, version);
    this.send();
  }

  /** Sends the status if it differs from the last one sent. Cheap enough for every turn. */
  update(): void {
    const { term, leader, termStartIndex, confState } = this.consensus.core;
    const { last } = this;
    const isSame = term === last.term && leader === last.leader && termStartIndex === last.termStartIndex;
    if (isSame && confState === last.confState) return;
    this.last = { term, leader, termStartIndex, confState };
    this.send();
  }

  private send(): void {
    if (this.calls.size === 0) return;
    const bytes = this.encode();
    for (const call of this.calls) call.send(bytes);
  }

  private encode(): Uint8Array {
    const { core } = this.consensus;
    const { memberId, clusterId } = this.settings;
    const { voters, votersOutgoing, learners } = core.confState;
    return encodeRaftStatus({
      memberId,
      clusterId,
      term: core.term,
      leaderId: core.leader,
      commitIndex: core.commit,
      lastIndex: core.lastIndex,
      isLearner: learners.includes(memberId),
      voters: [...new Set([...voters, ...votersOutgoing])],
      learners: [...learners],
      termStartIndex: core.termStartIndex,
      versions: [...this.versions].map(([id, version]) => ({ id, version })),
    });
  }
}
