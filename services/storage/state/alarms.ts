import type { SmallTable } from '../../../libs/mvcc';
import { idKey } from './ids';

/** etcdserverpb.AlarmType */
export const Alarm = { NONE: 0, NOSPACE: 1, CORRUPT: 2 } as const;

export interface RaisedAlarm {
  readonly memberID: bigint;
  readonly alarm: number;
}

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
    this.rows.put(rowOf({ memberID, alarm }), Uint8Array.of(1));
    this.raised = [...this.raised, { memberID, alarm }].sort(compareAlarms);
  }

  /** False when there was no such alarm. */
  deactivate(memberID: bigint, alarm: number): boolean {
    if (!this.hasFor(alarm, memberID)) return false;
    this.rows.delete(rowOf({ memberID, alarm }));
    this.raised = this.raised.filter((each) => each.alarm !== alarm || each.memberID !== memberID);
    return true;
  }
}

function rowOf(alarm: RaisedAlarm): Uint8Array {
  const row = new Uint8Array(9);
  row[0] = alarm.alarm;
  row.set(idKey(alarm.memberID), 1);
  return row;
}

function alarmOf(row: Uint8Array): RaisedAlarm {
  const id = new DataView(row.buffer, row.byteOffset, row.byteLength).getBigUint64(1);
  return { alarm: row[0] as number, memberID: id };
}

function compareAlarms(a: RaisedAlarm, b: RaisedAlarm): number {
  return a.alarm - b.alarm || (a.memberID < b.memberID ? -1 : 1);
}
