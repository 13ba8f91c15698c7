import { idKey } from './ids';

export interface RaisedAlarm {
  readonly memberID: bigint;
  /** etcdserverpb.AlarmType */
  readonly alarm: number;
}

/** Table `alarm`: all is in the row's key. */
export function alarmKey(alarm: RaisedAlarm): Uint8Array {
  const row = new Uint8Array(9);
  row[0] = alarm.alarm;
  row.set(idKey(alarm.memberID), 1);
  return row;
}

export const ALARM_VALUE = Uint8Array.of(1);

export function alarmOf(key: Uint8Array): RaisedAlarm {
  const memberID = new DataView(key.buffer, key.byteOffset, key.byteLength).getBigUint64(1);
  return { alarm: key[0] as number, memberID };
}
