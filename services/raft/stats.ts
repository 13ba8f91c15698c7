/** What this process counts, in plain numbers that only grow unless said otherwise. */
export interface RaftStats {
  proposalsReceived: number;
  proposalsForwarded: number;
  proposalsRefused: number;
  /** Waiting for a leader right now. */
  proposalsHeld: number;
  readsReceived: number;
  readRounds: number;
  readsFailed: number;
  leaderChanges: number;
  heartbeatSendFailures: number;
  peerBytesSent: number;
  peerBytesReceived: number;
  peerMessagesDropped: number;
  entriesDelivered: number;
  deliverBatches: number;
  turns: number;
  readies: number;
}

export function createStats(): RaftStats {
  return {
    proposalsReceived: 0,
    proposalsForwarded: 0,
    proposalsRefused: 0,
    proposalsHeld: 0,
    readsReceived: 0,
    readRounds: 0,
    readsFailed: 0,
    leaderChanges: 0,
    heartbeatSendFailures: 0,
    peerBytesSent: 0,
    peerBytesReceived: 0,
    peerMessagesDropped: 0,
    entriesDelivered: 0,
    deliverBatches: 0,
    turns: 0,
    readies: 0,
  };
}
