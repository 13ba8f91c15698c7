import type { Logger } from '../../../libs/process';
import type { Channel } from '../../../libs/rpc';
import { hashValue, STATE_HASH_VERSION } from '../../../libs/mvcc';
import {
  decodeOddOne,
  encodeOddOne,
  PeerStorageMethod,
  type StateHash,
  StoreCondition,
} from '../../../proto/gen/hexad';
import type { Condition, ConditionKeeper, StoreState } from '../condition';
import type { StorageConfig } from '../config';
import type { Gate } from '../gate';
import { limits } from '../limits';
import { Alarm } from '../state/alarms';
import type { ReplicatedState } from '../state/state';
import { CorruptCheck } from './corrupt-check';
import { DivergenceCheck, lanes } from './divergence-check';
import { HashAnswers } from './hash-answers';
import { judge } from './judge';
import { type OnAnswer, PeerStorages } from './peer-storages';
import type { Round } from './round';

export interface ConsistencyOptions {
  readonly config: StorageConfig;
  readonly channel: Channel;
  readonly state: ReplicatedState;
  readonly gate: Gate;
  readonly condition: ConditionKeeper;
  readonly logger: Logger;
  readonly isLeader: () => boolean;
  /** Sees to it that the CORRUPT alarm is raised for these members. */
  readonly raiseCorrupt: (members: readonly bigint[]) => void;
  /** Ends the process, to begin anew with what `condition` says. */
  readonly restart: (reason: string) => void;
}

/**
 * Whether this member's state is what it should be: compares it with the other members' all the time, and takes the member
 * out of service when it is the odd one or when its store is damaged.
 */
export class Consistency {
  private readonly peers: PeerStorages;
  private readonly answers: HashAnswers;
  private readonly divergence: DivergenceCheck | undefined;
  private readonly corruption: CorruptCheck;
  private readonly reported = new Map<string, number>();

  constructor(private readonly options: ConsistencyOptions) {
    const { channel, state, config, gate, logger } = options;
    const { store } = state;
    const { memberId } = config.identity;
    const { checks } = config;
    this.peers = new PeerStorages(channel, (method, payload, answer) => this.asked(method, payload, answer));
    const isInCharge = (): boolean => options.isLeader() && gate.isOpen && !this.isOutOfService;
    const shared = {
      store,
      peers: this.peers,
      memberId,
      members: () => state.members.list().map(({ id }) => id),
      isInCharge,
    };
    this.answers = new HashAnswers(store, checks.divergence, () => this.isOutOfService);
    this.divergence = checks.divergence
      ? new DivergenceCheck({ ...shared, onDifference: (round) => this.differs(round, 'entry') })
      : undefined;
    this.corruption = new CorruptCheck({
      ...shared,
      intervalMs: checks.corruptMs,
      logger,
      onDifference: (round) => this.differs(round, 'revision'),
    });
  }

  get isOutOfService(): boolean {
    return this.state.condition !== 'sound';
  }

  /** Nothing may be applied to the store, and a copy of another one is to take its place. */
  get isDamaged(): boolean {
    return this.state.condition === 'damaged';
  }

  /** The first entry whose copy is of use: what this store has not applied, or for a damaged one what it had on disk. */
  get neededIndex(): number {
    return this.isDamaged ? this.state.index : this.options.state.store.applied.index + 1;
  }

  /** As raft is told. */
  get storeCondition(): StoreCondition {
    if (this.isDamaged) return StoreCondition.STORE_WANTS_COPY;
    return this.isOutOfService ? StoreCondition.STORE_OUT_OF_SERVICE : StoreCondition.STORE_SOUND;
  }

  /** Compares all keys with the other members' before anything is served. @throws StartError */
  initialCheck(): Promise<void> {
    return this.corruption.initial();
  }

  afterApply(): void {
    this.answers.afterApply();
    if (this.isOutOfService) this.followAlarm();
  }

  /**
   * What was read is not what was written. With other members there, the process ends and begins anew without using the
   * store; a member alone has nobody to fetch another from, and goes on with what can be read.
   */
  damaged(error: Error): void {
    const { state, logger, raiseCorrupt, config } = this.options;
    const { memberId } = config.identity;
    const { revision, applied } = state.store;
    const detail = { member: memberId.toString(16), index: applied.index, revision, error: error.message };
    if (this.isDamaged) return;
    if (state.members.list().length < 2) {
      logger.error(detail, 'the store is damaged, and there is no other member to fetch it from');
      raiseCorrupt([memberId]);
      return;
    }
    logger.error(detail, 'the store is damaged and will be fetched anew from the leader');
    this.leaveService('damaged', error.message);
  }

  close(): void {
    this.divergence?.close();
    this.corruption.close();
    this.peers.close();
  }

  private get state(): StoreState {
    return this.options.condition.current;
  }

  private asked(method: number, payload: Uint8Array, answer: OnAnswer): void {
    if (method === PeerStorageMethod.PEER_STORAGE_STATE_HASH && !this.isDamaged) this.answers.asked(payload, answer);
    else if (method === PeerStorageMethod.PEER_STORAGE_HASH_KV && !this.isDamaged)
      this.corruption.asked(payload, answer);
    else if (method === PeerStorageMethod.PEER_STORAGE_ODD_ONE) {
      answer(new Uint8Array(0));
      this.isOdd(payload);
    } else answer(undefined);
  }

  /** Members of the cluster differ: says so, raises the alarm, and tells who is wrong if that can be known. */
  private differs(round: Round, what: 'entry' | 'revision'): void {
    const { state, logger, raiseCorrupt, config } = this.options;
    const verdict = judge(round.evidence, state.members.list().length);
    if (verdict.suspects.length === 0) return;
    const { odd, majority } = verdict;
    const members = [...round.evidence].map(([id, { hash, revision }]) => ({
      member: id.toString(16),
      hash,
      revision,
    }));
    const at = what === 'entry' ? { index: round.at } : { index: state.store.applied.index };
    const revision = round.own.revision;
    if (this.isNews(`${what} ${members.map(({ member }) => member).join()} ${odd.join()}`)) {
      const whom = odd.map((id) => id.toString(16));
      const detail = { ...at, revision, hash: what === 'entry' ? 'of all changes' : 'of all keys', members, odd: whom };
      logger.error(
        detail,
        odd.length > 0 ? 'members have another state than the majority' : 'members have different states',
      );
    }
    raiseCorrupt(verdict.suspects);
    const text = `after ${what} ${round.at} a majority has the hash ${majority ?? ''}`;
    const right = what === 'entry' && majority !== undefined ? this.hashOf(majority, round.at) : undefined;
    for (const id of odd) {
      const own = round.evidence.get(id)?.hash ?? '';
      const reason = `${text}, this member ${own}`;
      const message = encodeOddOne({ reason, majority: right });
      if (id === config.identity.memberId) this.leaveService('diverged', reason);
      else this.peers.ask(id, PeerStorageMethod.PEER_STORAGE_ODD_ONE, message, () => undefined);
    }
  }

  private hashOf(text: string, index: number): StateHash {
    const { origin } = this.options.state.store.stateHash;
    return { version: STATE_HASH_VERSION, origin, index, ...lanes(hashValue(text)) };
  }

  /** The leader says that a majority has another state. */
  private isOdd(payload: Uint8Array): void {
    const { reason, majority } = decodeOddOne(payload);
    if (this.isOutOfService) return;
    if (majority === undefined || this.answers.differsFrom(majority)) this.leaveService('diverged', reason);
    else this.options.logger.warn({ reason }, 'not the state that this member has now');
  }

  private leaveService(is: Condition, reason: string): void {
    const { condition, logger, restart, config, state } = this.options;
    const { revision, applied, durable } = state.store;
    condition.set({ condition: is, reason, index: durable.index });
    const member = config.identity.memberId.toString(16);
    const detail = { member, index: applied.index, revision, condition: is, reason };
    logger.error(detail, 'this member is taken out of service');
    restart(`the store is ${is}: ${reason}`);
  }

  /** A diverged store is kept for whoever wants to look at it until the alarm is disarmed; then it is replaced. */
  private followAlarm(): void {
    const { state, config, condition, gate, raiseCorrupt } = this.options;
    const { memberId } = config.identity;
    if (!gate.isOpen) return;
    const { condition: is, reason, index } = this.state;
    const isUp = state.alarms.hasFor(Alarm.CORRUPT, memberId);
    if (is === 'diverged' && isUp) condition.set({ condition: 'alarmed', reason, index });
    else if (is === 'diverged') raiseCorrupt([memberId]);
    else if (is === 'alarmed' && !isUp) this.leaveService('damaged', `the alarm was disarmed; ${reason}`);
  }

  private isNews(what: string): boolean {
    const now = performance.now();
    if (now - (this.reported.get(what) ?? Number.NEGATIVE_INFINITY) < limits.divergenceReportMs) return false;
    this.reported.set(what, now);
    return true;
  }
}
