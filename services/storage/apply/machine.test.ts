import { Errors } from '../../../libs/errors';
import {
  decodeAlarmResponse,
  decodeDeleteRangeResponse,
  decodeDowngradeResponse,
  decodeLeaseGrantResponse,
  decodeMemberAddResponse,
  decodePutResponse,
  decodeTxnResponse,
  encodeAlarmRequest,
  encodeAuthRoleAddRequest,
  encodeAuthRoleGrantPermissionRequest,
  encodeAuthUserAddRequest,
  encodeAuthUserChangePasswordRequest,
  encodeAuthUserGrantRoleRequest,
  encodeCompactionRequest,
  encodeDeleteRangeRequest,
  encodeDowngradeRequest,
  encodeLeaseGrantRequest,
  encodeLeaseRevokeRequest,
  encodePutRequest,
  encodeTxnRequest,
} from '../../../proto/gen/etcdserverpb';
import {
  ConfChangeType,
  encodeClusterVersion,
  encodeLeaseCheckpoints,
  encodeMemberAttributes,
  encodeTokenAssign,
  EntryKind,
} from '../../../proto/gen/hexad';
import { entryFormatAt } from '../../../libs/limits';
import { bytes, IDENTITY, MachineRig } from '../testing/machine-rig';
import type { ApplyOutcome } from './applier';

const put = (
  rig: MachineRig,
  key: string,
  value = 'v',
  more: { lease?: bigint; prevKv?: boolean } = {},
): ApplyOutcome => rig.apply(EntryKind.ENTRY_PUT, encodePutRequest({ key: bytes(key), value: bytes(value), ...more }));
const grant = (rig: MachineRig, ID: bigint, TTL: number | bigint = 10): ApplyOutcome =>
  rig.apply(EntryKind.ENTRY_LEASE_GRANT, encodeLeaseGrantRequest({ ID, TTL }));
const revoke = (rig: MachineRig, ID: bigint): ApplyOutcome =>
  rig.apply(EntryKind.ENTRY_LEASE_REVOKE, encodeLeaseRevokeRequest({ ID }));
const value = (rig: MachineRig, key: string): string | undefined => {
  const found = rig.store.latest(bytes(key));
  return found && Buffer.from(found.value).toString('latin1');
};

describe('keys', () => {
  it('answers a put with the complete header', () => {
    const rig = new MachineRig();
    const response = decodePutResponse(put(rig, 'a').response);
    expect(response).toEqual({ header: { ...IDENTITY, revision: 2, raftTerm: 2 }, prevKv: undefined });
  });

  it('gives the previous pair when it is asked for', () => {
    const rig = new MachineRig();
    put(rig, 'a', 'old');
    const { prevKv } = decodePutResponse(put(rig, 'a', 'new', { prevKv: true }).response);
    expect(prevKv).toMatchObject({ value: bytes('old'), modRevision: 2, version: 1 });
    expect(decodePutResponse(put(rig, 'b', 'x', { prevKv: true }).response).prevKv).toBeUndefined();
  });

  it('counts what a delete took, with the pairs when asked for', () => {
    const rig = new MachineRig();
    put(rig, 'a', '1');
    put(rig, 'b', '2');
    const request = { key: bytes('a'), rangeEnd: bytes('z'), prevKv: true };
    const body = encodeDeleteRangeRequest(request);
    const response = decodeDeleteRangeResponse(rig.apply(EntryKind.ENTRY_DELETE_RANGE, body).response);
    expect(response.header?.revision).toBe(4);
    expect(response.deleted).toBe(2);
    expect(response.prevKvs.map((kv) => Buffer.from(kv.value).toString())).toEqual(['1', '2']);
    const again = decodeDeleteRangeResponse(rig.apply(EntryKind.ENTRY_DELETE_RANGE, body).response);
    expect([again.deleted, again.header?.revision]).toEqual([0, 4]);
  });

  it('answers a transaction whose inner headers carry the revision only', () => {
    const rig = new MachineRig();
    const body = encodeTxnRequest({
      compare: [{ target: 0, result: 0, key: bytes('a'), version: 0 }],
      success: [{ requestPut: { key: bytes('a'), value: bytes('1') } }, { requestRange: { key: bytes('a') } }],
    });
    const response = decodeTxnResponse(rig.apply(EntryKind.ENTRY_TXN, body).response);
    expect(response.header).toEqual({ ...IDENTITY, revision: 2, raftTerm: 2 });
    expect(response.succeeded).toBe(true);
    const inner = { clusterId: 0n, memberId: 0n, revision: 2, raftTerm: 0 };
    expect(response.responses[0]?.responsePut?.header).toEqual(inner);
    expect(response.responses[1]?.responseRange).toMatchObject({ header: inner, count: 1 });
  });

  it('refuses compaction at and below the compacted revision, and beyond the present', () => {
    const rig = new MachineRig();
    put(rig, 'a');
    put(rig, 'a');
    const compact = (revision: number | bigint, physical = false): ApplyOutcome =>
      rig.apply(EntryKind.ENTRY_COMPACTION, encodeCompactionRequest({ revision, physical }));
    expect(compact(4).error).toBe(Errors.FutureRev);
    expect(compact(2n ** 62n).error).toBe(Errors.FutureRev);
    expect(compact(2).error).toBeUndefined();
    expect(compact(2).error).toBe(Errors.Compacted);
    expect(compact(3, true).afterCompaction).toBe(true);
    expect(rig.sink.said.filter((each) => each === 'compaction')).toHaveLength(2);
  });
});

describe('leases', () => {
  it('are granted once, within the limits', () => {
    const rig = new MachineRig();
    const response = decodeLeaseGrantResponse(grant(rig, 7n).response);
    expect(response).toEqual({ header: { ...IDENTITY, revision: 1, raftTerm: 2 }, ID: 7n, TTL: 10, error: '' });
    expect(grant(rig, 7n).error).toBe(Errors.LeaseExist);
    expect(grant(rig, 8n, 9_000_000_001).error).toBe(Errors.LeaseTTLTooLarge);
    expect(put(rig, 'a', 'v', { lease: 9n }).error).toBe(Errors.LeaseNotFound);
    expect(rig.state.leases.get(7n)).toEqual({ id: 7n, ttl: 10, remainingTtl: 0, grantedIndex: 1 });
  });

  it('take their keys with them, in key order and in one revision', () => {
    const rig = new MachineRig();
    const long = 'x'.repeat(3000);
    grant(rig, 7n);
    for (const key of ['c', long, 'a', 'b']) put(rig, key, 'v', { lease: 7n });
    put(rig, 'b', 'v');
    put(rig, 'other');
    expect(revoke(rig, 7n).error).toBeUndefined();
    expect(rig.sink.said.at(-1)).toEqual({
      revision: 8,
      events: [
        ['delete', 'a', 4],
        ['delete', 'c', 2],
        ['delete', long, 3],
      ],
    });
    expect([value(rig, 'b'), value(rig, 'other')]).toEqual(['v', 'v']);
    expect(revoke(rig, 7n).error).toBe(Errors.LeaseNotFound);
    expect(rig.store.table('leaseKeys').scan()).toEqual([]);
  });

  it('follow their keys from lease to lease, through puts, deletes and transactions', () => {
    const rig = new MachineRig();
    grant(rig, 7n);
    grant(rig, 8n);
    put(rig, 'a', 'v', { lease: 7n });
    put(rig, 'b', 'v', { lease: 7n });
    const names = (id: bigint): string[] => rig.state.leases.keysOf(id).map((key) => Buffer.from(key).toString());
    expect(names(7n)).toEqual(['a', 'b']);
    const move = { requestPut: { key: bytes('a'), value: bytes('w'), lease: 8n } };
    const drop = { requestDeleteRange: { key: bytes('b') } };
    rig.apply(EntryKind.ENTRY_TXN, encodeTxnRequest({ success: [move, drop] }));
    expect([names(7n), names(8n)]).toEqual([[], ['a']]);
  });

  it('keep the remaining time of a checkpoint', () => {
    const rig = new MachineRig();
    grant(rig, 7n, 300);
    const checkpoints = [
      { id: 7n, remainingTtl: 120 },
      { id: 99n, remainingTtl: 5 },
    ];
    rig.apply(EntryKind.ENTRY_LEASE_CHECKPOINT, encodeLeaseCheckpoints({ checkpoints }));
    expect(rig.state.leases.get(7n)?.remainingTtl).toBe(120);
  });
});

describe('alarms', () => {
  const alarm = (rig: MachineRig, action: number, type: number): ApplyOutcome =>
    rig.apply(EntryKind.ENTRY_ALARM, encodeAlarmRequest({ action, memberID: 5n, alarm: type }));

  it('NOSPACE refuses what takes space and nothing else, until it is disarmed', () => {
    const rig = new MachineRig();
    put(rig, 'a');
    expect(decodeAlarmResponse(alarm(rig, 1, 1).response).alarms).toEqual([{ memberID: 5n, alarm: 1 }]);
    expect(put(rig, 'b').error).toBe(Errors.NoSpace);
    expect(grant(rig, 1n).error).toBe(Errors.NoSpace);
    const inner = { requestTxn: { success: [], failure: [{ requestPut: { key: bytes('c') } }] } };
    expect(rig.apply(EntryKind.ENTRY_TXN, encodeTxnRequest({ success: [inner] })).error).toBe(Errors.NoSpace);
    const drop = { requestDeleteRange: { key: bytes('a') } };
    expect(rig.apply(EntryKind.ENTRY_TXN, encodeTxnRequest({ success: [drop] })).error).toBeUndefined();
    expect(decodeAlarmResponse(alarm(rig, 2, 1).response).alarms).toHaveLength(1);
    expect(decodeAlarmResponse(alarm(rig, 2, 1).response).alarms).toHaveLength(0);
    expect(put(rig, 'b').error).toBeUndefined();
  });

  it('CORRUPT refuses every change of keys and leases', () => {
    const rig = new MachineRig();
    grant(rig, 1n);
    alarm(rig, 1, 2);
    expect(put(rig, 'b').error).toBe(Errors.Corrupt);
    expect(revoke(rig, 1n).error).toBe(Errors.Corrupt);
    expect(rig.apply(EntryKind.ENTRY_DELETE_RANGE, encodeDeleteRangeRequest({ key: bytes('a') })).error).toBe(
      Errors.Corrupt,
    );
    expect(alarm(rig, 2, 2).error).toBeUndefined();
  });
});

describe('auth', () => {
  /** Auth on, with root and with alice, who may write under `a`. */
  function secured(): MachineRig {
    const rig = new MachineRig();
    const user = (name: string): ApplyOutcome =>
      rig.apply(EntryKind.ENTRY_USER_ADD, encodeAuthUserAddRequest({ name, hashedPassword: '$2a$04$abc' }));
    const grantRole = (name: string, role: string): ApplyOutcome =>
      rig.apply(EntryKind.ENTRY_USER_GRANT_ROLE, encodeAuthUserGrantRoleRequest({ user: name, role }));
    user('root');
    grantRole('root', 'root');
    user('alice');
    rig.apply(EntryKind.ENTRY_ROLE_ADD, encodeAuthRoleAddRequest({ name: 'a' }));
    const perm = { permType: 1, key: bytes('a'), rangeEnd: bytes('b') };
    rig.apply(EntryKind.ENTRY_ROLE_GRANT_PERMISSION, encodeAuthRoleGrantPermissionRequest({ name: 'a', perm }));
    grantRole('alice', 'a');
    expect(rig.apply(EntryKind.ENTRY_AUTH_ENABLE, new Uint8Array(0)).error).toBeUndefined();
    return rig;
  }
  const body = (key: string): Uint8Array => encodePutRequest({ key: bytes(key) });

  it('checks user, auth revision and permission at apply', () => {
    const rig = secured();
    const authRevision = rig.state.auth.revision;
    const kind = EntryKind.ENTRY_PUT;
    expect(rig.apply(kind, body('a')).error).toBe(Errors.UserEmpty);
    expect(rig.apply(kind, body('a'), { user: 'alice', authRevision: authRevision - 1 }).error).toBe(
      Errors.AuthOldRevision,
    );
    expect(rig.apply(kind, body('a1'), { user: 'alice', authRevision }).error).toBeUndefined();
    expect(rig.apply(kind, body('b1'), { user: 'alice', authRevision }).error).toBe(Errors.PermissionDenied);
    expect(rig.apply(kind, body('b1'), { user: 'root', authRevision }).error).toBeUndefined();
  });

  it('leaves administration to root, and lets processes of the member act on their own behalf', () => {
    const rig = secured();
    const alice = { user: 'alice', authRevision: rig.state.auth.revision };
    expect(rig.apply(EntryKind.ENTRY_AUTH_DISABLE, new Uint8Array(0), alice).error).toBe(Errors.PermissionDenied);
    rig.apply(EntryKind.ENTRY_LEASE_GRANT, encodeLeaseGrantRequest({ ID: 1n, TTL: 5 }), alice);
    const root = { user: 'root', authRevision: rig.state.auth.revision };
    rig.apply(EntryKind.ENTRY_PUT, encodePutRequest({ key: bytes('z'), lease: 1n }), root);
    const revokeBody = encodeLeaseRevokeRequest({ ID: 1n });
    expect(rig.apply(EntryKind.ENTRY_LEASE_REVOKE, revokeBody, alice).error).toBe(Errors.PermissionDenied);
    expect(rig.apply(EntryKind.ENTRY_LEASE_REVOKE, revokeBody, { internal: true }).error).toBeUndefined();
    expect(value(rig, 'z')).toBeUndefined();
  });

  it('ends the tokens of a user whose password changes, and all when auth goes off', () => {
    const rig = secured();
    const root = { user: 'root', authRevision: rig.state.auth.revision };
    const assign = (authRevision: number): ApplyOutcome =>
      rig.apply(EntryKind.ENTRY_TOKEN_ASSIGN, encodeTokenAssign({ token: 't', user: 'alice', authRevision }));
    expect(assign(rig.state.auth.revision).error).toBeUndefined();
    const change = encodeAuthUserChangePasswordRequest({ name: 'alice', hashedPassword: '$2a$04$def' });
    rig.apply(EntryKind.ENTRY_USER_CHANGE_PASSWORD, change, root);
    expect(rig.sink.said.at(-1)).toEqual({ tokensOf: 'alice' });
    expect([...rig.state.tokens.values()]).toEqual([]);
    expect(assign(root.authRevision).error).toBe(Errors.AuthOldRevision);
    rig.apply(EntryKind.ENTRY_AUTH_DISABLE, new Uint8Array(0), root);
    expect(rig.sink.said.at(-1)).toEqual({ tokensOf: undefined });
  });
});

describe('members', () => {
  it('are added, named, promoted and removed for good, with answers of revision 0', () => {
    const rig = new MachineRig();
    rig.applyConf({ type: ConfChangeType.CONF_ADD_VOTER, nodeId: 1n, peerUrls: ['http://a:2380'], name: 'm1' });
    const added = rig.applyConf({ type: ConfChangeType.CONF_ADD_LEARNER, nodeId: 2n, peerUrls: ['http://b:2380'] });
    const response = decodeMemberAddResponse(added.response);
    expect(response.header?.revision).toBe(0);
    expect(response.member).toMatchObject({ ID: 2n, isLearner: true, name: '' });
    expect(response.members.map((member) => member.ID)).toEqual([1n, 2n]);
    const attributes = encodeMemberAttributes({ id: 2n, name: 'm2', clientUrls: ['http://b:2379'] });
    expect(rig.apply(EntryKind.ENTRY_MEMBER_ATTRIBUTES, attributes).error).toBeUndefined();
    expect(rig.applyConf({ type: ConfChangeType.CONF_PROMOTE, nodeId: 2n }).error).toBeUndefined();
    expect(rig.applyConf({ type: ConfChangeType.CONF_PROMOTE, nodeId: 2n }).error).toBe(Errors.MemberNotLearner);
    expect(rig.state.members.get(2n)).toEqual({
      id: 2n,
      name: 'm2',
      peerUrls: ['http://b:2380'],
      clientUrls: ['http://b:2379'],
      isLearner: false,
    });
    const twice = { type: ConfChangeType.CONF_ADD_VOTER, nodeId: 3n, peerUrls: ['http://b:2380'] };
    expect(rig.applyConf(twice).error).toBe(Errors.PeerURLExist);
    expect(rig.applyConf({ type: ConfChangeType.CONF_REMOVE, nodeId: 2n }).error).toBeUndefined();
    expect(rig.applyConf({ ...twice, nodeId: 2n }).error).toBe(Errors.MemberNotFound);
    expect(rig.applyConf(twice).error).toBeUndefined();
  });
});

describe('a release that is older than the entries', () => {
  const body = encodePutRequest({ key: bytes('a'), value: bytes('v') });

  it('goes no further when it does not understand an entry, and says what to do', () => {
    const rig = new MachineRig();
    put(rig, 'before');
    expect(() => rig.apply(EntryKind.ENTRY_PUT, body, { format: 1 })).toThrow(
      'entry 2 has format 1, which version 3.7.1 does not understand: start this member with the version of the others',
    );
    expect(rig.store.applied.index).toBe(1);
    expect(value(rig, 'a')).toBeUndefined();
  });

  it('applies what the next release proposes once it is that release', () => {
    const next = { version: '3.8.0', formatsSince: ['3.0.0', '3.8.0'] };
    const rig = new MachineRig(undefined, undefined, next);
    expect(rig.apply(EntryKind.ENTRY_PUT, body, { format: 1 }).error).toBeUndefined();
    expect(value(rig, 'a')).toBe('v');
    expect(() => rig.apply(EntryKind.ENTRY_PUT, body, { format: 2 })).toThrow('entry 2 has format 2');
  });

  it('ends in a cluster whose version is higher than its own, with etcd’s words', () => {
    const rig = new MachineRig();
    const version = (text: string): ApplyOutcome =>
      rig.apply(EntryKind.ENTRY_CLUSTER_VERSION, encodeClusterVersion({ version: text }));
    expect(version('3.7.0').error).toBeUndefined();
    expect(() => version('3.8.0')).toThrow(
      'invalid downgrade; server version is lower than determined cluster version: 3.7.1 is lower than 3.8.0',
    );
    expect(rig.store.applied.index).toBe(1);
  });
});

describe('a downgrade', () => {
  const VALIDATE = 0;
  const ENABLE = 1;
  const CANCEL = 2;
  const ask = (rig: MachineRig, action: number, version = ''): ApplyOutcome =>
    rig.apply(EntryKind.ENTRY_DOWNGRADE, encodeDowngradeRequest({ action, version }));
  const setVersion = (rig: MachineRig, version: string): ApplyOutcome =>
    rig.apply(EntryKind.ENTRY_CLUSTER_VERSION, encodeClusterVersion({ version }));
  const at37 = (): MachineRig => {
    const rig = new MachineRig();
    setVersion(rig, '3.7.0');
    return rig;
  };

  it('begins with the version below, is remembered over a crash, and ends when it is cancelled', async () => {
    const rig = at37();
    const enabled = decodeDowngradeResponse(ask(rig, ENABLE, '3.6').response);
    expect(enabled).toMatchObject({ header: { revision: 1, raftTerm: 2 }, version: '3.7' });
    expect(rig.state.downgradeTarget).toBe('3.6.0');
    await rig.store.flush();
    rig.disk.crash();
    rig.open();
    expect(rig.state.downgradeTarget).toBe('3.6.0');
    setVersion(rig, '3.6.0');
    expect(decodeDowngradeResponse(ask(rig, CANCEL).response).version).toBe('3.6');
    await rig.store.flush();
    rig.disk.crash();
    rig.open();
    expect(rig.state.downgradeTarget).toBe('');
  });

  it.each(['3.6', '3.6.0', '3.6.9', '3.6.0-rc.1', '3.6.1+build'])('may lead from 3.7 to %s', (version) => {
    const rig = at37();
    expect(ask(rig, ENABLE, version).error).toBeUndefined();
    expect(rig.state.downgradeTarget).toBe('3.6.0');
  });

  it.each([
    ['', Errors.WrongDowngradeVersionFormat],
    ['3', Errors.WrongDowngradeVersionFormat],
    ['v3.6', Errors.WrongDowngradeVersionFormat],
    ['3.6.x', Errors.WrongDowngradeVersionFormat],
    [' 3.6', Errors.WrongDowngradeVersionFormat],
    ['3.6.0.0', Errors.WrongDowngradeVersionFormat],
    ['3.5', Errors.InvalidDowngradeTargetVersion],
    ['3.7', Errors.InvalidDowngradeTargetVersion],
    ['3.8', Errors.InvalidDowngradeTargetVersion],
    ['2.6', Errors.InvalidDowngradeTargetVersion],
  ])('to %j is refused and changes nothing', (version, error) => {
    const rig = at37();
    expect(ask(rig, ENABLE, version).error).toBe(error);
    expect(rig.state.downgradeTarget).toBe('');
  });

  it('is refused while one is under way, while there is no cluster version, and what is no change is malformed', () => {
    const rig = new MachineRig();
    expect(ask(rig, ENABLE, '3.6').error).toBe(Errors.ClusterVersionUnavailable);
    expect(ask(rig, CANCEL).error).toBe(Errors.NoInflightDowngrade);
    setVersion(rig, '3.7.0');
    expect(ask(rig, VALIDATE, '3.6').error).toBe(Errors.MalformedRequest);
    expect(ask(rig, ENABLE, '3.6').error).toBeUndefined();
    expect(ask(rig, ENABLE, '3.6').error).toBe(Errors.DowngradeInProcess);
    expect(ask(rig, CANCEL).error).toBeUndefined();
    expect(ask(rig, CANCEL).error).toBe(Errors.NoInflightDowngrade);
  });

  it('has newer formats of entries wait until it is over', () => {
    const next = { version: '3.8.0', formatsSince: ['3.0.0', '3.8.0'] };
    const rig = new MachineRig(undefined, undefined, next);
    const format = (): number => entryFormatAt(rig.state.clusterVersion, next);
    setVersion(rig, '3.8.0');
    expect(format()).toBe(1);
    ask(rig, ENABLE, '3.7');
    setVersion(rig, rig.state.downgradeTarget);
    expect(format()).toBe(0);
  });
});
