import { Raft } from '../raft';
import type { Message, NodeId, ProposedEntry, Ready } from '../types';
import { MemoryLog } from './memory-log';
import { quietSettings } from './quiet-settings';

/** A member whose disk syncs at once. */
interface BenchNode {
  readonly raft: Raft;
  readonly log: MemoryLog;
  applied: number;
}

function createNode(id: NodeId, voters: NodeId[]): BenchNode {
  const log = new MemoryLog();
  const confState = { voters, votersOutgoing: [], learners: [], learnersNext: [] };
  const hardState = { term: 0, vote: 0n, commit: 0 };
  const limits = { maxInflightMessages: 256, maxUncommittedBytes: 64 << 20, maxInflightBytes: 64 << 20 };
  const config = { ...quietSettings, ...limits, id, confState, confIndex: 0, hardState, storage: log, applied: 0 };
  return { raft: new Raft(config), log, applied: 0 };
}

/** Proposes `batches` × `batchSize` entries of 300 B to three members in one process. Returns how many each applied. */
export function runBenchLoop(batches: number, batchSize: number): number[] {
  const ids: NodeId[] = [1n, 2n, 3n];
  const nodes = new Map(ids.map((id) => [id, createNode(id, ids)]));
  const leader = nodes.get(1n) as BenchNode;
  leader.raft.campaign();
  settle(nodes);
  const data = new Uint8Array(300);
  const batch: ProposedEntry[] = Array.from({ length: batchSize }, () => ({ type: 0, data }));
  for (let i = 0; i < batches; i++) {
    const result = leader.raft.propose(batch);
    if (result !== 'ok') throw new Error(result);
    settle(nodes);
    // A host drops what is old from its cache; here from the log, lest memory and not the core be measured.
    if (i % 8 === 7) for (const node of nodes.values()) node.log.compact(node.applied - 1);
  }
  return [...nodes.values()].map((node) => node.applied);
}

function settle(nodes: ReadonlyMap<NodeId, BenchNode>): void {
  for (let busy = true; busy; ) {
    busy = false;
    for (const node of nodes.values()) {
      for (let ready = node.raft.ready(); ready !== undefined; ready = node.raft.ready()) {
        busy = true;
        for (const message of processReady(node, ready)) nodes.get(message.to)?.raft.step(message);
      }
    }
  }
}

function processReady(node: BenchNode, ready: Ready): Message[] {
  node.log.append(ready.entriesToPersist);
  if (ready.mustSync) node.raft.persisted(ready.number);
  node.applied += ready.committed.length;
  return ready.messages.concat(ready.messagesAfterPersist);
}
