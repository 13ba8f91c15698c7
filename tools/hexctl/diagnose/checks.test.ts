import type { TopDocument } from '../../../libs/client';
import { counter, gauge, Histogram, histogram, type MetricFamily } from '../../../libs/telemetry';
import { diagnose } from './checks';
import type { ClusterSnapshot, MemberSnapshot } from './snapshot';

const GIB = 1024 ** 3;

function timings(name: string, value: number, labels: Record<string, string> = {}): MetricFamily {
  const one = new Histogram([0.001, 0.032, 0.064, 0.128, 0.256, 0.512, 1]);
  for (let i = 0; i < 100; i++) one.observe(value);
  return histogram(name, '', [one.numbers(labels)]);
}

function probe(median: number): MetricFamily {
  return gauge('hexad_disk_probe_seconds', '', [
    [{ quantile: '0.5' }, median],
    [{ quantile: '1' }, 2 * median],
  ]);
}

const HEALTHY: readonly MetricFamily[] = [
  timings('etcd_disk_wal_fsync_duration_seconds', 0.001),
  timings('etcd_disk_backend_commit_duration_seconds', 0.01),
  timings('etcd_network_peer_round_trip_time_seconds', 0.001, { To: 'b2' }),
  probe(0.0005),
  gauge('etcd_server_has_leader', '', 1),
  counter('etcd_server_leader_changes_seen_total', '', 1),
  gauge('etcd_server_quota_backend_bytes', '', 2 * GIB),
  gauge('etcd_mvcc_db_total_size_in_bytes', '', 0.2 * GIB),
  gauge('etcd_mvcc_db_total_size_in_use_in_bytes', '', 0.15 * GIB),
  gauge('process_start_time_seconds', '', 1_000_000 - 7200),
  gauge('hexad_process_up', '', [[{ process: 'raft' }, 1]]),
];

function top(changes: Partial<TopDocument> = {}, families: readonly MetricFamily[] = []): TopDocument {
  const replaced = new Set(families.map(({ name }) => name));
  return {
    member: 'm1',
    memberId: 'a1',
    leaderId: 'a1',
    term: 2,
    at: 1_000_000_000,
    stageStamps: true,
    ops: [],
    prefixes: [],
    clients: [],
    largestRequest: { bytes: 300, prefix: 'a/' },
    fsyncP99Micros: {},
    ...changes,
    families: [...HEALTHY.filter(({ name }) => !replaced.has(name)), ...families],
  };
}

function member(document: TopDocument | undefined, changes: Partial<MemberSnapshot> = {}): MemberSnapshot {
  return {
    endpoint: '127.0.0.1:2379',
    top: document,
    error: '',
    clockOffsetMs: 3,
    roundTripMs: 2,
    hash: 7,
    ...changes,
  };
}

const cluster = (...members: readonly MemberSnapshot[]): ClusterSnapshot => ({ members, hashRevision: 10 });
const op = (name: string, count: number, unattributedP50 = 0.001) => ({
  op: name,
  count,
  p50Micros: 1,
  p99Micros: 2,
  unattributedP50,
  unattributedP99: unattributedP50,
  stages: [],
});

test('a healthy cluster yields no findings', () => {
  expect(diagnose(cluster(member(top()), member(top({ member: 'm2', memberId: 'b2' }))))).toEqual([]);
});

test.each<[string, string, TopDocument]>([
  ['slow-disk', 'warning', top({}, [timings('etcd_disk_wal_fsync_duration_seconds', 0.06)])],
  ['slow-disk', 'critical', top({}, [timings('etcd_disk_wal_fsync_duration_seconds', 0.4)])],
  ['slow-disk-now', 'warning', top({}, [probe(0.06)])],
  ['slow-disk-now', 'critical', top({}, [probe(0.4)])],
  ['slow-store-commit', 'warning', top({}, [timings('etcd_disk_backend_commit_duration_seconds', 0.4)])],
  ['stalled-disk', 'critical', top({}, [gauge('hexad_wal_stalled_seconds', '', 3)])],
  ['slow-peer-link', 'warning', top({}, [timings('etcd_network_peer_round_trip_time_seconds', 0.2, { To: 'b2' })])],
  ['leader-changes', 'warning', top({}, [counter('etcd_server_leader_changes_seen_total', '', 30)])],
  ['no-leader', 'critical', top({}, [gauge('etcd_server_has_leader', '', 0)])],
  ['slow-follower', 'warning', top({}, [gauge('hexad_raft_follower_lag_entries', '', [[{ To: 'b2' }, 5000]])])],
  ['slow-apply', 'warning', top({}, [gauge('hexad_raft_apply_backlog_entries', '', 4000)])],
  [
    'db-near-quota',
    'critical',
    top({}, [
      gauge('etcd_mvcc_db_total_size_in_use_in_bytes', '', 1.9 * GIB),
      gauge('etcd_mvcc_db_total_size_in_bytes', '', 1.9 * GIB),
    ]),
  ],
  ['fragmented-db', 'info', top({}, [gauge('etcd_mvcc_db_total_size_in_bytes', '', 1.5 * GIB)])],
  [
    'hot-prefix',
    'info',
    top({
      prefixes: [
        { name: 'a/', count: 9000 },
        { name: 'b/', count: 10 },
      ],
    }),
  ],
  ['large-values', 'warning', top({ largestRequest: { bytes: 1_000_000, prefix: 'blobs/' } })],
  ['lease-pile-up', 'warning', top({}, [gauge('hexad_leases', '', 200_000)])],
  ['auth-storm', 'warning', top({ ops: [op('authenticate', 900), op('put', 1000)] })],
  ['compaction-lag', 'warning', top({}, [gauge('etcd_debugging_mvcc_current_revision', '', 3_000_000)])],
  ['watch-lag', 'warning', top({}, [gauge('etcd_debugging_mvcc_slow_watcher_total', '', 2)])],
  ['process-down', 'critical', top({}, [gauge('hexad_process_up', '', [[{ process: 'watch' }, 0]])])],
  [
    'blocked-event-loop',
    'warning',
    top({}, [gauge('hexad_event_loop_delay_seconds', '', [[{ process: 'proxy', quantile: '1' }, 0.9]])]),
  ],
  ['unattributed-time', 'info', top({ ops: [op('put', 1000, 0.2)] })],
  [
    'alarm',
    'critical',
    top({}, [gauge('etcd_debugging_server_alarms', '', [[{ server_id: 'a1', alarm_type: 'NOSPACE' }, 1]])]),
  ],
  ['heartbeat-failures', 'warning', top({}, [counter('etcd_server_heartbeat_send_failures_total', '', 50)])],
])('%s (%s) is found where its cause is planted, alone, with evidence and advice', (id, severity, planted) => {
  const found = diagnose(cluster(member(planted)));
  expect(found.map((one) => [one.id, one.severity])).toEqual([[id, severity]]);
  expect(found[0]?.evidence).toMatch(/\w/);
  expect(found[0]?.advice).toMatch(/\w/);
});

test('a member that does not answer is found', () => {
  const found = diagnose(
    cluster(member(top()), member(undefined, { error: 'connection refused', endpoint: 'h:1', hash: undefined })),
  );
  expect(found).toMatchObject([{ id: 'unreachable', severity: 'critical', member: 'h:1' }]);
});

test('a clock that is off is found, unless the way there may explain it', () => {
  expect(diagnose(cluster(member(top(), { clockOffsetMs: -2000 })))).toMatchObject([{ id: 'clock-skew' }]);
  expect(diagnose(cluster(member(top(), { clockOffsetMs: -2000, roundTripMs: 4000 })))).toEqual([]);
});

test('members that hold different data, or name different leaders, are found', () => {
  const other = top({ member: 'm2' });
  expect(diagnose(cluster(member(top()), member(other, { hash: 8 })))).toMatchObject([
    { id: 'data-divergence', severity: 'critical' },
  ]);
  expect(diagnose(cluster(member(top()), member({ ...other, leaderId: 'b2' })))).toMatchObject([
    { id: 'leader-disagreement' },
  ]);
});

test('a member whose term runs away from the others is found', () => {
  const restless = top({ member: 'm2', term: 9, leaderId: '0' });
  const found = diagnose(cluster(member(top()), member(restless)));
  expect(found).toContainEqual(expect.objectContaining({ id: 'terms-apart', severity: 'warning', member: 'm2' }));
  expect(
    diagnose(cluster(member(top()), member(top({ member: 'm2', term: 3, leaderId: 'a1' })))).map(({ id }) => id),
  ).not.toContain('terms-apart');
});

test('the worst comes first', () => {
  const planted = top({ largestRequest: { bytes: 1e6, prefix: '' } }, [
    gauge('etcd_server_has_leader', '', 0),
    gauge('etcd_mvcc_db_total_size_in_bytes', '', 1.5 * GIB),
  ]);
  expect(diagnose(cluster(member(planted))).map(({ severity }) => severity)).toEqual(['critical', 'warning', 'info']);
});
