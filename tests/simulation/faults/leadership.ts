import { encodeRaftMoveLeaderRequest } from '../../../proto/gen/hexad';
import type { UnaryCall } from '../../../libs/rpc';
import type { Fault, FaultSite } from './fault';

/** `move-leader` to a member that may or may not be able to lead. */
export function transferLeadership(site: FaultSite): Fault {
  return {
    name: 'leadership transferred',
    weight: 4,
    inject: () => {
      const { leader } = site.cluster;
      const host = leader?.host;
      const process = leader?.processes.get('raft');
      if (host === undefined || process === undefined || site.members.length < 2) return false;
      const request = encodeRaftMoveLeaderRequest({ targetId: site.random.pick(site.members).id });
      const call = { request, reply: () => undefined, fail: () => undefined };
      site.world.after(0.1, process, () => host.moveLeader(call as unknown as UnaryCall)); // moveLeader uses these three
      return true;
    },
  };
}
