import type { Position } from '../../../libs/mvcc';
import { type AlarmRequest, writeAlarmResponse } from '../../../proto/gen/etcdserverpb';
import type { ResponseHeaders } from '../headers';
import { Alarm } from '../state/alarms';
import type { ReplicatedState } from '../state/state';
import { answered, type ApplyOutcome } from './applier';
import type { FeedChanges } from './feed-changes';

const ACTIVATE = 1;
const DEACTIVATE = 2;

/** Answers with the alarm concerned; with none when nothing had to be done. A repeated activation names it again, as in etcd. */
export function applyAlarm(
  state: ReplicatedState,
  headers: ResponseHeaders,
  changes: FeedChanges,
  request: AlarmRequest,
  position: Position,
): ApplyOutcome {
  const { memberID, alarm } = request;
  const concerned = change(state, request);
  if (concerned) changes.alarmsChanged(state.alarms.list(Alarm.NONE));
  const body = { alarms: concerned ? [{ memberID, alarm }] : [] };
  return answered(headers.response(writeAlarmResponse, body, state.store.revision, position.term));
}

function change({ alarms }: ReplicatedState, { action, memberID, alarm }: AlarmRequest): boolean {
  if (alarm !== Alarm.NOSPACE && alarm !== Alarm.CORRUPT) return false;
  if (action === DEACTIVATE) return alarms.deactivate(memberID, alarm);
  if (action !== ACTIVATE) return false;
  alarms.activate(memberID, alarm);
  return true;
}
