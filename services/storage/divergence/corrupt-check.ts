import type { Store } from '../../../libs/mvcc';
import { type Logger, StartError } from '../../../libs/process';
import {
  decodeHashKVRequest,
  decodeHashKVResponse,
  encodeHashKVRequest,
  encodeHashKVResponse,
} from '../../../proto/gen/etcdserverpb';
import { encodeStateHashQuestion, PeerStorageMethod } from '../../../proto/gen/hexad';
import { limits } from '../limits';
import { nextTurn } from '../reads/next-turn';
import type { Evidence } from './judge';
import type { OnAnswer, PeerStorages } from './peer-storages';
import { Round } from './round';

export interface CorruptCheckOptions {
  readonly store: Store;
  readonly peers: Pick<PeerStorages, 'ask'>;
  readonly memberId: bigint;
  readonly members: () => readonly bigint[];
  readonly isInCharge: () => boolean;
  /** Milliseconds; 0: never. */
  readonly intervalMs: number;
  readonly logger: Logger;
  readonly onDifference: (round: Round) => void;
}

interface Hash {
  readonly hash: number;
  readonly compactRevision: number;
}

/** etcd's checks with the hash of all keys (HashKV): one before a member serves, and one that its leader makes now and then. */
export class CorruptCheck {
  private readonly timer: NodeJS.Timeout | undefined;
  private isRunning = false;

  constructor(private readonly options: CorruptCheckOptions) {
    if (options.intervalMs === 0) return;
    this.timer = setInterval(() => void this.compare(), options.intervalMs);
    this.timer.unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  /** Another member asks for the hash at a revision. */
  asked(payload: Uint8Array, answer: OnAnswer): void {
    const { store } = this.options;
    void this.hash(Number(decodeHashKVRequest(payload).revision)).then((found) => {
      const { revision } = store;
      answer(found === undefined ? undefined : encodeHashKVResponse({ header: { revision }, ...found }));
    });
  }

  /**
   * Compares the own store with those of the members that answer, at its revision. What they can't say (not there, behind,
   * compacted differently) counts for nothing, as in etcd. @throws StartError
   */
  async initial(): Promise<void> {
    const { store, logger, memberId, members } = this.options;
    const { revision } = store;
    const own = await this.hash(revision);
    const others = members().filter((id) => id !== memberId);
    if (own === undefined || others.length === 0) return;
    const until = performance.now() + limits.initialCheckMs;
    const found = await Promise.all(others.map((id) => this.askUntil(id, revision, until)));
    let mismatches = 0;
    others.forEach((id, i) => {
      const theirs = found[i];
      const detail = { 'remote-peer-id': id.toString(16), revision, hash: own.hash, 'remote-hash': theirs?.hash };
      if (theirs === undefined) logger.warn(detail, 'failed to verify the hash of the store with a peer');
      else if (theirs.compactRevision !== own.compactRevision)
        logger.warn(detail, 'a peer has another compact revision');
      else if (theirs.hash !== own.hash) {
        mismatches += 1;
        logger.error(detail, 'found different hash values from remote peer');
      }
    });
    if (mismatches > 0) throw new StartError(`${memberId.toString(16)} found data inconsistency with peers`);
    logger.info({ revision, hash: own.hash }, 'initial corruption checking passed; no corruption');
  }

  private async askUntil(id: bigint, revision: number, until: number): Promise<Hash | undefined> {
    for (;;) {
      // Links to a member that starts come up one after the other: an answer may be lost, and hashing a large store takes long.
      if (await this.answers(id)) {
        const answer = await this.ask(id, revision);
        if (answer !== undefined) return answer;
      }
      if (performance.now() >= until) return undefined;
      await pause(limits.initialCheckRetryMs);
    }
  }

  /** Whether questions to the member and answers from it come through. */
  private answers(id: bigint): Promise<boolean> {
    const answered = new Promise<boolean>((resolve) => {
      const nothing = encodeStateHashQuestion({});
      this.options.peers.ask(id, PeerStorageMethod.PEER_STORAGE_STATE_HASH, nothing, (payload) =>
        resolve(payload !== undefined),
      );
    });
    return Promise.race([answered, pause(limits.initialCheckRetryMs).then(() => false)]);
  }

  private async compare(): Promise<void> {
    const { store, isInCharge, memberId, members, onDifference } = this.options;
    if (this.isRunning || !isInCharge()) return;
    this.isRunning = true;
    const { revision } = store;
    const own = await this.hash(revision);
    this.isRunning = false;
    if (own === undefined || !isInCharge()) return;
    const ownEvidence = evidenceOf(own, revision);
    const round = new Round(revision, ownEvidence, memberId, { onDifference, graceMs: limits.corruptCheckGraceMs });
    const others = members().filter((id) => id !== memberId);
    for (const id of others) round.asked(id);
    for (const id of others) {
      void this.ask(id, revision).then((theirs) => {
        const counts = theirs !== undefined && theirs.compactRevision === own.compactRevision;
        round.answered(id, counts ? evidenceOf(theirs, revision) : undefined);
      });
    }
  }

  private ask(id: bigint, revision: number): Promise<Hash | undefined> {
    return new Promise((resolve) => {
      const question = encodeHashKVRequest({ revision });
      this.options.peers.ask(id, PeerStorageMethod.PEER_STORAGE_HASH_KV, question, (payload) => {
        if (payload === undefined) return resolve(undefined);
        const { hash, compactRevision } = decodeHashKVResponse(payload);
        resolve({ hash, compactRevision: Number(compactRevision) });
      });
    });
  }

  private async hash(revision: number): Promise<Hash | undefined> {
    const outcome = await this.options.store.hashKv(revision, nextTurn);
    return outcome.ok ? outcome.value : undefined;
  }
}

function evidenceOf({ hash }: Hash, revision: number): Evidence {
  return { hash: hash.toString(16).padStart(8, '0'), revision };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
