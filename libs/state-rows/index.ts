export { ALARM_VALUE, alarmKey, alarmOf, type RaisedAlarm } from './alarms';
export {
  AUTH_SETTINGS_KEY,
  authSettingsOf,
  authSettingsRow,
  isStorableName,
  nameKey,
  roleOf,
  roleRow,
  userOf,
  userRow,
} from './auth';
export { IDENTITY_KEY, type Identity, identityOf, identityRow, idKey, idKeyEnd, idOf } from './ids';
export { attachedKeyOf, attachmentKey, attachmentValue, type Lease, leaseOf, leaseRow, type Sha256 } from './leases';
export { type MemberRecord, memberOf, memberRow } from './members';
