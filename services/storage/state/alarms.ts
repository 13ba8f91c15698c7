import type { SmallTable } from '../../../libs/mvcc';
import { ALARM_VALUE, alarmKey, alarmOf, type RaisedAlarm } from '../../../libs/state-rows';

export type { RaisedAlarm };

/** etcdserverpb.AlarmType */
export const Alarm = { NONE: 0, NOSPACE: 1, CORRUPT: 2 } as const;

/** Alarms of all members. A row's key is the alarm's type and the member's id. */
export class AlarmTable {
  private raised: RaisedAlarm[] = [];

  constructor(private readonly rows: SmallTable) {
    for (const [row] of rows.scan()) this.raised.push(alarmOf(row));
  }

  /** Those of a type; `NONE`: all. By type, then member. */
  list(alarm: number): readonly RaisedAlarm[] {
    return alarm === Alarm.NONE ? this.raised : this.raised.filter((each) => each.alarm === alarm);
  }

  has(alarm: number): boolean {
    return this.raised.some((each) => each.alarm === alarm);
  }

  hasFor(alarm: number, memberID: bigint): boolean {
    return this.raised.some((each) => each.alarm === alarm && each.memberID === memberID);
  }

  activate(memberID: bigint, alarm: number): void {
    if (this.hasFor(alarm, memberID)) return;
    this.rows.put(alarmKey({ memberID, alarm }), ALARM_VALUE);
    this.raised = [...this.raised, { memberID, alarm }].sort(compareAlarms);
  }

  /** False when there was no such alarm. */
  deactivate(memberID: bigint, alarm: number): boolean {
    if (!this.hasFor(alarm, memberID)) return false;
    this.rows.delete(alarmKey({ memberID, alarm }));
    this.raised = this.raised.filter((each) => each.alarm !== alarm || each.memberID !== memberID);
    return true;
  }
}

function compareAlarms(a: RaisedAlarm, b: RaisedAlarm): number {
  return a.alarm - b.alarm || (a.memberID < b.memberID ? -1 : 1);
}
