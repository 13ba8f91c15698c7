import { STATE_HASH_VERSION, type Store } from '../../../libs/mvcc';
import { decodeStateHashQuestion, encodeStateHashAnswer, type StateHash } from '../../../proto/gen/hexad';
import { lanes } from './divergence-check';
import type { OnAnswer } from './peer-storages';

const WAITING_MAX = 64;

interface Waiting {
  readonly asked: StateHash;
  readonly answer: OnAnswer;
}

/** Answers what this member's rolling hash is at an entry, once that has been applied. */
export class HashAnswers {
  private waiting: Waiting[] = [];

  constructor(
    private readonly store: Store,
    /** Whether the hash is kept at all. */
    private readonly isOn: boolean,
    private readonly isOutOfService: () => boolean,
  ) {}

  asked(payload: Uint8Array, answer: OnAnswer): void {
    const { own } = decodeStateHashQuestion(payload);
    if (!this.isOn || own === undefined || own.version !== STATE_HASH_VERSION || this.waiting.length >= WAITING_MAX)
      return answer(this.nothing());
    if (own.index > this.store.applied.index) this.waiting.push({ asked: own, answer });
    else answer(this.answerTo(own));
  }

  /** Entries have been applied. */
  afterApply(): void {
    if (this.waiting.length === 0) return;
    const { index } = this.store.applied;
    const due = this.waiting.filter(({ asked }) => asked.index <= index);
    if (due.length === 0) return;
    this.waiting = this.waiting.filter(({ asked }) => asked.index > index);
    for (const { asked, answer } of due) answer(this.answerTo(asked));
  }

  /**
   * Whether the own hash is another than what the leader says that a majority has. It may say so of a store that another one
   * has replaced since; what can't be compared any more is no difference, since it says it again as long as it is true.
   */
  differsFrom({ version, origin, index, high, low }: StateHash): boolean {
    const { stateHash } = this.store;
    const own = version === STATE_HASH_VERSION && origin === stateHash.origin ? stateHash.at(index) : undefined;
    return own !== undefined && (own.high !== (high | 0) || own.low !== (low | 0));
  }

  private answerTo(asked: StateHash): Uint8Array {
    const { stateHash, revision } = this.store;
    const { origin, index } = asked;
    // A chain that began elsewhere says nothing about this one: from here on it is the asker's.
    if (origin !== stateHash.origin) stateHash.adopt(origin, index, { high: asked.high | 0, low: asked.low | 0 });
    const own = origin === stateHash.origin ? stateHash.at(index) : undefined;
    if (own === undefined) return this.nothing();
    return encodeStateHashAnswer({
      own: { version: STATE_HASH_VERSION, origin, index, ...lanes(own) },
      revision,
      outOfService: this.isOutOfService(),
    });
  }

  private nothing(): Uint8Array {
    return encodeStateHashAnswer({ revision: this.store.revision, outOfService: this.isOutOfService() });
  }
}
