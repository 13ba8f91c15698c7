import fc from 'fast-check';
import { Errors } from '../../../libs/errors';
import {
  encodeAuthRoleAddRequest,
  encodeAuthRoleGrantPermissionRequest,
  encodeAuthRoleRevokePermissionRequest,
  encodeAuthUserAddRequest,
  encodeAuthUserGrantRoleRequest,
  encodeAuthUserRevokeRoleRequest,
  encodePutRequest,
} from '../../../proto/gen/etcdserverpb';
import { encodeEntry, EntryKind, type LogEntry, LogEntryType } from '../../../proto/gen/hexad';
import { bytes, MachineRig, ORIGIN } from '../testing/machine-rig';

interface Step {
  readonly kind: number;
  readonly body: Uint8Array;
  readonly user: string;
  /** How many changes of rights the proxy that stamped it had not heard of. */
  readonly lag: number;
  /** What the second member does after it. */
  readonly after: 'go' | 'flush' | 'crash';
}

const perm = { permType: 1, key: bytes('a'), rangeEnd: bytes('b') };
const grantRole = encodeAuthUserGrantRoleRequest({ user: 'alice', role: 'r' });
const revokeRole = encodeAuthUserRevokeRoleRequest({ name: 'alice', role: 'r' });
const changes = [
  { kind: EntryKind.ENTRY_USER_GRANT_ROLE, body: grantRole },
  { kind: EntryKind.ENTRY_USER_REVOKE_ROLE, body: revokeRole },
  { kind: EntryKind.ENTRY_ROLE_GRANT_PERMISSION, body: encodeAuthRoleGrantPermissionRequest({ name: 'r', perm }) },
  {
    kind: EntryKind.ENTRY_ROLE_REVOKE_PERMISSION,
    body: encodeAuthRoleRevokePermissionRequest({ role: 'r', key: perm.key, rangeEnd: perm.rangeEnd }),
  },
  { kind: EntryKind.ENTRY_AUTH_DISABLE, body: new Uint8Array(0) },
  { kind: EntryKind.ENTRY_AUTH_ENABLE, body: new Uint8Array(0) },
];
const after = fc.constantFrom<Step['after']>('go', 'flush', 'crash');
const lag = fc.constantFrom(0, 0, 0, 1);
const change = fc
  .record({ change: fc.constantFrom(...changes), lag, after })
  .map(({ change: { kind, body }, ...more }): Step => ({ kind, body, user: 'root', ...more }));
const write = fc
  .record({ key: fc.constantFrom('a1', 'a2', 'b1'), user: fc.constantFrom('alice', 'root'), lag, after })
  .map(({ key, ...more }): Step => {
    return { kind: EntryKind.ENTRY_PUT, body: encodePutRequest({ key: bytes(key), value: bytes('v') }), ...more };
  });

const SETUP: readonly Step[] = [
  { kind: EntryKind.ENTRY_USER_ADD, body: encodeAuthUserAddRequest({ name: 'root', hashedPassword: '$2a$04$abc' }) },
  { kind: EntryKind.ENTRY_USER_GRANT_ROLE, body: encodeAuthUserGrantRoleRequest({ user: 'root', role: 'root' }) },
  { kind: EntryKind.ENTRY_USER_ADD, body: encodeAuthUserAddRequest({ name: 'alice', hashedPassword: '$2a$04$abc' }) },
  { kind: EntryKind.ENTRY_ROLE_ADD, body: encodeAuthRoleAddRequest({ name: 'r' }) },
  { kind: EntryKind.ENTRY_USER_GRANT_ROLE, body: grantRole },
  { kind: EntryKind.ENTRY_AUTH_ENABLE, body: new Uint8Array(0) },
].map((step) => ({ ...step, user: '', lag: 0, after: 'go' as const }));

/** Applies the steps on one member, each stamped with what was known when it was proposed; gives the log it makes. */
function applyPlain(rig: MachineRig, steps: readonly Step[]): LogEntry[] {
  return steps.map(({ kind, body, user, lag: behind }, sequence) => {
    const authRevision = Math.max(0, rig.state.auth.revision - behind);
    const data = encodeEntry({ origin: ORIGIN, sequence, kind, body, user, authRevision });
    const entry = { term: 1, index: sequence + 1, type: LogEntryType.LOG_NORMAL, data };
    rig.applyLogEntry(entry);
    return entry;
  });
}

function stateOf(rig: MachineRig): unknown {
  const names = ['auth', 'authUsers', 'authRoles'] as const;
  const tables = names.map((name) =>
    rig.store
      .table(name)
      .scan()
      .map((row) => row.map((part) => Buffer.from(part).toString('hex'))),
  );
  return { tables, revision: rig.store.revision, authRevision: rig.state.auth.revision };
}

it('members agree on writes that race with changes of rights, whatever each has committed and wherever it crashed', async () => {
  const errors = new Set<string>();
  const property = fc.asyncProperty(fc.array(fc.oneof(change, write), { maxLength: 40 }), async (drawn) => {
    const steps = [...SETUP, ...drawn];
    const plain = new MachineRig();
    const log = applyPlain(plain, steps);
    for (const { error } of plain.sink.results) errors.add(error);

    const other = new MachineRig();
    const results = new Map<number, unknown>();
    const crashed = new Set<number>();
    for (let next = 0; next < log.length; next++) {
      other.applyLogEntry(log[next] as LogEntry);
      results.set(next, other.sink.results.at(-1));
      const what = steps[next]?.after;
      if (what === 'flush') await other.store.flush();
      if (what !== 'crash' || crashed.has(next)) continue;
      crashed.add(next);
      other.disk.crash();
      other.open();
      next = other.store.applied.index - 1;
    }
    expect([...results.values()]).toEqual(plain.sink.results);
    expect(stateOf(other)).toEqual(stateOf(plain));
  });
  await fc.assert(property, { numRuns: 150 });
  // A race in which nobody is refused is none.
  expect(errors).toContain(Errors.AuthOldRevision.message);
  expect(errors).toContain(Errors.PermissionDenied.message);
});
