import type { Logger } from '../../libs/process';
import type { NodeId } from '../../libs/raft';
import { StoreCondition } from '../../proto/gen/hexad';
import { bestSuccessor, type Consensus } from './consensus';
import type { PeerSet } from './peers/peer-set';

/** How often the leader is asked for a copy that does not come. */
const ASK_AGAIN_MS = 1_000;

export interface UnfitStoreOptions {
  readonly consensus: Consensus;
  readonly peers: PeerSet;
  readonly logger: Logger;
  readonly now: () => number;
  readonly condition: () => StoreCondition;
  readonly isReceiving: () => boolean;
}

/** What a member does whose store is not to be used: it hands leadership on, and asks the leader for a copy of its store. */
export class UnfitStore {
  private askAt = 0;

  constructor(private readonly options: UnfitStoreOptions) {}

  tick(): void {
    const { consensus, condition } = this.options;
    const is = condition();
    if (is === StoreCondition.STORE_SOUND) return;
    if (consensus.isLeader) this.stepBack();
    else if (is === StoreCondition.STORE_WANTS_COPY) this.askForStore(consensus.core.leader);
  }

  private stepBack(): void {
    const { consensus, logger } = this.options;
    const { core } = consensus;
    const target = core.transferee === 0n ? bestSuccessor(core) : 0n;
    if (target === 0n) return;
    logger.warn({ to: target.toString(16) }, 'the store is out of service: leadership is handed over');
    core.transferLeader(target);
  }

  private askForStore(leader: NodeId): void {
    const { peers, now, isReceiving, logger } = this.options;
    const peer = peers.get(leader);
    if (peer === undefined || now() < this.askAt || isReceiving()) return;
    this.askAt = now() + ASK_AGAIN_MS;
    logger.info({ from: leader.toString(16) }, 'asking for a copy of the store');
    peer.requestStore();
  }
}
