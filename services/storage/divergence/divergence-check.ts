import { hashText, STATE_HASH_VERSION, type Store } from '../../../libs/mvcc';
import {
  decodeStateHashAnswer,
  encodeStateHashQuestion,
  PeerStorageMethod,
  type StateHashAnswer,
} from '../../../proto/gen/hexad';
import { limits } from '../limits';
import type { PeerStorages } from './peer-storages';
import type { Evidence } from './judge';
import { Round } from './round';

export interface DivergenceCheckOptions {
  readonly store: Store;
  readonly peers: Pick<PeerStorages, 'ask'>;
  readonly memberId: bigint;
  /** All members, this one too. */
  readonly members: () => readonly bigint[];
  /** Whether this member leads and has a sound store. */
  readonly isInCharge: () => boolean;
  readonly onDifference: (round: Round) => void;
}

/**
 * Run by the leader: asks all members for their rolling hash at the entry that it has applied last, a few times a second
 * while entries are applied. Whoever has agreed is not asked again before there is something new.
 */
export class DivergenceCheck {
  private readonly agreedAt = new Map<bigint, number>();
  private readonly unanswered = new Map<bigint, number>();
  private readonly askAgainAt = new Map<bigint, number>();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: DivergenceCheckOptions) {
    this.timer = setInterval(() => this.tick(), limits.divergenceCheckMs);
    this.timer.unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const { store, memberId, members, isInCharge, onDifference } = this.options;
    if (!isInCharge()) return;
    const { index } = store.applied;
    const others = members().filter((id) => id !== memberId);
    if (others.every((id) => this.agreedAt.get(id) === index || !this.mayAsk(id))) return;
    store.stateHash.begin();
    const value = store.stateHash.at(index);
    if (value === undefined) return;
    const own: Evidence = { hash: hashText(value), revision: store.revision };
    const round = new Round(index, own, memberId, { onDifference, graceMs: limits.divergenceGraceMs });
    const { origin } = store.stateHash;
    const question = encodeStateHashQuestion({ own: { version: STATE_HASH_VERSION, origin, index, ...lanes(value) } });
    // Those who have agreed already are asked too: their word counts if somebody else differs.
    const asked = others.filter((id) => this.mayAsk(id));
    for (const id of asked) round.asked(id);
    for (const id of asked) this.ask(round, id, question);
  }

  private mayAsk(id: bigint): boolean {
    const isFree = (this.unanswered.get(id) ?? 0) < limits.divergenceUnansweredMax;
    return isFree && performance.now() >= (this.askAgainAt.get(id) ?? 0);
  }

  private ask(round: Round, id: bigint, question: Uint8Array): void {
    this.unanswered.set(id, (this.unanswered.get(id) ?? 0) + 1);
    this.options.peers.ask(id, PeerStorageMethod.PEER_STORAGE_STATE_HASH, question, (payload) => {
      this.unanswered.set(id, (this.unanswered.get(id) ?? 1) - 1);
      const answer = payload === undefined ? undefined : decodeStateHashAnswer(payload);
      // It can't say, or has been taken out of service: asking all the time would not help. One that is away may be back at once.
      if (answer !== undefined && (answer.own === undefined || answer.outOfService))
        this.askAgainAt.set(id, performance.now() + limits.divergenceRetryMs);
      const evidence = answer === undefined ? undefined : evidenceOf(answer);
      if (evidence?.hash === round.own.hash) this.agreedAt.set(id, round.at);
      round.answered(id, evidence);
    });
  }
}

/** Lanes as they travel: unsigned. */
export function lanes({ high, low }: { readonly high: number; readonly low: number }): { high: number; low: number } {
  return { high: high >>> 0, low: low >>> 0 };
}

function evidenceOf({ own, revision, outOfService }: StateHashAnswer): Evidence | undefined {
  return own === undefined || outOfService ? undefined : { hash: hashText(own), revision };
}
