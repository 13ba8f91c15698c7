import { authoriseUser } from '../../../libs/rbac';
import type { BatchCall, BatchPeer } from '../../../libs/rpc';
import { decodeAlarmRequest, writeAlarmResponse, writeMemberListResponse } from '../../../proto/gen/etcdserverpb';
import { StorageMethod } from '../../../proto/gen/hexad';
import { memberMessage } from '../apply/members';
import { refusedRead, replyWith, type ReadContext, type ReadEntry } from './read-context';

export function clusterReads(context: ReadContext): ReadEntry[] {
  return [
    [StorageMethod.STORAGE_MEMBER_LIST, (call, peer) => memberList(context, call, peer)],
    [StorageMethod.STORAGE_ALARM_GET, (call, peer) => alarmGet(context, call, peer)],
  ];
}

/** Cluster replies carry revision 0, as in etcd. */
function memberList({ state, headers }: ReadContext, call: BatchCall, peer: BatchPeer): void {
  if (refusedRead(call, peer, authoriseUser(state.auth, call))) return;
  const body = { members: state.members.list().map(memberMessage) };
  peer.reply(call.id, 0, headers.response(writeMemberListResponse, body, 0, state.store.applied.term));
}

function alarmGet(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { alarm } = decodeAlarmRequest(call.payload);
  if (refusedRead(call, peer, authoriseUser(context.state.auth, call))) return;
  replyWith(context, call, peer, writeAlarmResponse, { alarms: context.state.alarms.list(alarm) });
}
