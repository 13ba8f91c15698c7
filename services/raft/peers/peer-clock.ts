import type { NodeId } from '../../../libs/raft';
import { decodePeerMembersResponse, encodePeerMembersRequest, PEER_PATHS } from '../../../proto/gen/hexad';
import type { ClockAnswer } from '../clock-check';
import type { PeerSet } from './peer-set';

const ANSWER_MS = 2_000;

/** What time it is at another member, asked on a connection of its own. Undefined: no answer, or one of a version that does not say. */
export function askClock(peers: PeerSet, id: NodeId): Promise<ClockAnswer | undefined> {
  const channel = peers.get(id)?.connect();
  if (channel === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    channel.unary(PEER_PATHS.Members, encodePeerMembersRequest({}), { timeoutMs: ANSWER_MS }, (result) => {
      channel.close();
      const wallMs = result.ok ? decodePeerMembersResponse(result.response).wallMs : 0;
      resolve(wallMs === 0 ? undefined : { wallMs });
    });
  });
}
