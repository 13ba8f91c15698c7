import type { TopDocument } from '../../../libs/client';
import { type ClusterSnapshot, type MemberSnapshot, opOf, quantileOf, samplesOf, sumOf, uptimeHours } from './snapshot';

export type Severity = 'critical' | 'warning' | 'info';

export interface Finding {
  readonly id: string;
  readonly severity: Severity;
  /** Member, or empty: the cluster. */
  readonly member: string;
  readonly evidence: string;
  readonly advice: string;
}

/** What counts as too much. */
export const Bounds = {
  fsyncWarningSeconds: 0.032,
  fsyncCriticalSeconds: 0.256,
  commitSeconds: 0.256,
  peerRoundTripSeconds: 0.1,
  clockOffsetMs: 500,
  leaderChangesPerHour: 4,
  followerLagEntries: 1000,
  quotaShare: 0.8,
  fragmentedShare: 0.5,
  fragmentedBytes: 100 * 1024 * 1024,
  hotShare: 0.5,
  hotRequests: 5000,
  largeRequestBytes: 512 * 1024,
  leases: 100_000,
  authenticateShare: 0.1,
  authenticateCount: 200,
  uncompactedRevisions: 1_000_000,
  watchLagRevisions: 1000,
  loopDelaySeconds: 0.25,
  unattributedShare: 0.05,
  heartbeatFailures: 10,
  applyBacklogEntries: 1000,
  termsApart: 3,
} as const;

type Check = (top: TopDocument) => Finding[];

/** Findings, the worst first; a healthy cluster yields none. */
export function diagnose(cluster: ClusterSnapshot): Finding[] {
  const findings = cluster.members.flatMap((member) => ofMember(member));
  findings.push(...ofCluster(cluster));
  const rank: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };
  return findings.sort(
    (a, b) => rank[a.severity] - rank[b.severity] || a.id.localeCompare(b.id) || a.member.localeCompare(b.member),
  );
}

function ofMember({ endpoint, top, error, clockOffsetMs, roundTripMs }: MemberSnapshot): Finding[] {
  if (top === undefined) {
    return [
      finding(
        'unreachable',
        'critical',
        endpoint,
        `${endpoint} does not answer: ${error}`,
        'see whether the member runs, and its log; restart it, or replace it if its machine is gone',
      ),
    ];
  }
  const skew = Math.abs(clockOffsetMs) - roundTripMs / 2;
  const findings = CHECKS.flatMap((check) => check(top));
  if (skew > Bounds.clockOffsetMs) {
    findings.push(
      finding(
        'clock-skew',
        'warning',
        top.member,
        `its clock is ${Math.round(clockOffsetMs)} ms off ours`,
        'synchronise the clocks of the machines (chrony, systemd-timesyncd): certificates, tokens and logs depend on them',
      ),
    );
  }
  return findings;
}

function finding(id: string, severity: Severity, member: string, evidence: string, advice: string): Finding {
  return { id, severity, member, evidence, advice };
}

const CHECKS: readonly Check[] = [
  function fsync(top) {
    const p99 = quantileOf(top, 'etcd_disk_wal_fsync_duration_seconds', 0.99);
    if (p99 <= Bounds.fsyncWarningSeconds) return [];
    const severity = p99 > Bounds.fsyncCriticalSeconds ? 'critical' : 'warning';
    return [
      finding(
        'slow-disk',
        severity,
        top.member,
        `p99 of WAL fdatasync is ${seconds(p99)}`,
        'give the WAL a disk of its own (--wal-dir), an SSD; look for other writers (iostat -x) and for a worn-out or throttled volume',
      ),
    ];
  },
  function diskProbe(top) {
    const median = sumOf(top, 'hexad_disk_probe_seconds', { quantile: '0.5' });
    if (median <= Bounds.fsyncWarningSeconds) return [];
    const severity = median > Bounds.fsyncCriticalSeconds ? 'critical' : 'warning';
    return [
      finding(
        'slow-disk-now',
        severity,
        top.member,
        `a write of 4 KiB and its fdatasync beside the WAL take ${seconds(median)} now`,
        'see what else writes to this disk at the moment (iostat -x, backups, log shipping) and whether the volume is throttled',
      ),
    ];
  },
  function storeCommit(top) {
    const p99 = quantileOf(top, 'etcd_disk_backend_commit_duration_seconds', 0.99);
    if (p99 <= Bounds.commitSeconds) return [];
    return [
      finding(
        'slow-store-commit',
        'warning',
        top.member,
        `p99 of store commits is ${seconds(p99)}`,
        'the data directory needs a quicker disk; commits are off the answer path, but a backlog holds apply up',
      ),
    ];
  },
  function stalledWal(top) {
    const stalled = sumOf(top, 'hexad_wal_stalled_seconds');
    if (stalled < 1) return [];
    return [
      finding(
        'stalled-disk',
        'critical',
        top.member,
        `a WAL write has been under way for ${seconds(stalled)}`,
        'the disk does not answer: see the kernel log (dmesg); fail over by replacing the member',
      ),
    ];
  },
  function peerRoundTrip(top) {
    const peers = new Set(
      samplesOf(top, 'etcd_network_peer_round_trip_time_seconds').map(({ labels }) => labels['To'] ?? ''),
    );
    return [...peers].flatMap((To) => {
      const p99 = quantileOf(top, 'etcd_network_peer_round_trip_time_seconds', 0.99, { To });
      if (p99 <= Bounds.peerRoundTripSeconds) return [];
      return [
        finding(
          'slow-peer-link',
          'warning',
          top.member,
          `p99 of the round trip to member ${To} is ${seconds(p99)}`,
          'look at the network between the two (ping, mtr), and at the CPU of both; set --heartbeat-interval to the round trip and --election-timeout to ten of them',
        ),
      ];
    });
  },
  function leaderChanges(top) {
    const changes = sumOf(top, 'etcd_server_leader_changes_seen_total');
    const perHour = changes / Math.max(1, uptimeHours(top));
    if (perHour < Bounds.leaderChangesPerHour) return [];
    return [
      finding(
        'leader-changes',
        'warning',
        top.member,
        `${changes} leader changes seen in ${uptimeHours(top).toFixed(1)} hours`,
        'elections come of slow disks, slow links or starved CPUs: see the other findings; raise --election-timeout if the network is just far',
      ),
    ];
  },
  function noLeader(top) {
    if (sumOf(top, 'etcd_server_has_leader') === 1) return [];
    return [
      finding(
        'no-leader',
        'critical',
        top.member,
        'it knows of no leader',
        'a quorum of members must run and reach each other over the peer URLs',
      ),
    ];
  },
  function followerLag(top) {
    return samplesOf(top, 'hexad_raft_follower_lag_entries')
      .filter(({ value }) => value > Bounds.followerLagEntries)
      .map(({ labels, value }) =>
        finding(
          'slow-follower',
          'warning',
          labels['To'] ?? '',
          `it is ${value} entries behind the leader ${top.member}`,
          'see its disk, CPU and link; a follower that stays behind leaves one failure less to survive',
        ),
      );
  },
  function applyBacklog(top) {
    const entries = sumOf(top, 'hexad_raft_apply_backlog_entries');
    if (entries <= Bounds.applyBacklogEntries) return [];
    return [
      finding(
        'slow-apply',
        'warning',
        top.member,
        `${entries} committed entries wait to be applied`,
        'storage does not keep up: see its CPU and event-loop delay, large transactions, and the disk of the store',
      ),
    ];
  },
  function size(top) {
    const quota = sumOf(top, 'etcd_server_quota_backend_bytes');
    const used = sumOf(top, 'etcd_mvcc_db_total_size_in_use_in_bytes');
    if (quota <= 0 || used / quota <= Bounds.quotaShare) return [];
    return [
      finding(
        'db-near-quota',
        'critical',
        top.member,
        `${bytes(used)} of the quota of ${bytes(quota)} are in use`,
        'compact (etcdctl compaction), delete what is not needed, or raise --quota-backend-bytes; at the quota all writes are refused',
      ),
    ];
  },
  function fragmentation(top) {
    const total = sumOf(top, 'etcd_mvcc_db_total_size_in_bytes');
    const used = sumOf(top, 'etcd_mvcc_db_total_size_in_use_in_bytes');
    if (total < Bounds.fragmentedBytes || used / total >= Bounds.fragmentedShare) return [];
    return [
      finding(
        'fragmented-db',
        'info',
        top.member,
        `${bytes(used)} of ${bytes(total)} on disk are in use`,
        'nothing has to be done: the space is used again; a store copied anew (remove and add the member) is small',
      ),
    ];
  },
  function hotPrefix(top) {
    const total = top.prefixes.reduce((sum, { count }) => sum + count, 0);
    const [hottest, second] = top.prefixes;
    if (hottest === undefined || second === undefined) return [];
    if (hottest.count < Bounds.hotRequests || hottest.count / total < Bounds.hotShare) return [];
    const share = Math.round((100 * hottest.count) / total);
    return [
      finding(
        'hot-prefix',
        'info',
        top.member,
        `${share} % of the requests are for ${JSON.stringify(hottest.name)}`,
        'let clients watch rather than poll, cache, or spread the keys',
      ),
    ];
  },
  function largeValues(top) {
    const { bytes: size, prefix } = top.largestRequest;
    if (size < Bounds.largeRequestBytes) return [];
    return [
      finding(
        'large-values',
        'warning',
        top.member,
        `a request of ${bytes(size)}${prefix === '' ? '' : ` under ${JSON.stringify(prefix)}`}`,
        'large values delay everything behind them: keep them elsewhere and store a reference',
      ),
    ];
  },
  function leases(top) {
    const count = sumOf(top, 'hexad_leases');
    if (count < Bounds.leases) return [];
    return [
      finding(
        'lease-pile-up',
        'warning',
        top.member,
        `${count} leases exist`,
        'clients grant leases and do not revoke them, or use one for each key: share one lease per session, and shorter TTLs',
      ),
    ];
  },
  function authStorm(top) {
    const logins = opOf(top, 'authenticate')?.count ?? 0;
    const all = top.ops.reduce((sum, { count }) => sum + count, 0);
    if (logins < Bounds.authenticateCount || logins / all < Bounds.authenticateShare) return [];
    return [
      finding(
        'auth-storm',
        'warning',
        top.member,
        `${logins} of ${all} requests are logins`,
        'clients authenticate for each request: let them keep their token, or use JWTs or client certificates',
      ),
    ];
  },
  function compactionLag(top) {
    const revision = sumOf(top, 'etcd_debugging_mvcc_current_revision');
    const compacted = sumOf(top, 'etcd_debugging_mvcc_compact_revision');
    if (revision - compacted < Bounds.uncompactedRevisions) return [];
    return [
      finding(
        'compaction-lag',
        'warning',
        top.member,
        `${revision - compacted} revisions are not compacted`,
        'set --auto-compaction-retention, or let a client compact',
      ),
    ];
  },
  function watchLag(top) {
    const lag = sumOf(top, 'hexad_watch_hub_lag_revisions');
    const slow = sumOf(top, 'etcd_debugging_mvcc_slow_watcher_total');
    if (lag < Bounds.watchLagRevisions && slow === 0) return [];
    const evidence = `${slow} watchers are behind; the hub is ${lag} revisions behind storage`;
    return [
      finding(
        'watch-lag',
        'warning',
        top.member,
        evidence,
        'watchers that do not read are held back alone: find them with hexctl top; a hub that is behind needs CPU',
      ),
    ];
  },
  function processes(top) {
    return samplesOf(top, 'hexad_process_up')
      .filter(({ value }) => value === 0)
      .map(({ labels }) =>
        finding(
          'process-down',
          'critical',
          top.member,
          `its process ${labels['process'] ?? ''} does not answer`,
          "see the member's log: the supervisor restarts a process that died; one that is stuck shows in its event-loop delay",
        ),
      );
  },
  function eventLoops(top) {
    return samplesOf(top, 'hexad_event_loop_delay_seconds')
      .filter(({ labels, value }) => labels['quantile'] === '1' && value > Bounds.loopDelaySeconds)
      .map(({ labels, value }) =>
        finding(
          'blocked-event-loop',
          'warning',
          top.member,
          `the event loop of ${labels['process'] ?? ''} stood still for ${seconds(value)}`,
          'the machine lacks CPU (see steal and throttling), or one request is very large: see hexctl trace',
        ),
      );
  },
  function unattributed(top) {
    return top.ops
      .filter(
        ({ op, count, unattributedP50 }) =>
          ['put', 'range', 'txn'].includes(op) && count >= 100 && unattributedP50 > Bounds.unattributedShare,
      )
      .map(({ op, unattributedP50 }) =>
        finding(
          'unattributed-time',
          'info',
          top.member,
          `half of the ${op} requests have more than ${Math.round(100 * Bounds.unattributedShare)} % of their time (${Math.round(100 * unattributedP50)} %) outside all stages`,
          'a member of another version is involved, or stage stamps are off on one (--stage-stamps)',
        ),
      );
  },
  function alarms(top) {
    return samplesOf(top, 'etcd_debugging_server_alarms')
      .filter(({ value }) => value > 0)
      .map(({ labels }) =>
        finding(
          'alarm',
          'critical',
          labels['server_id'] ?? '',
          `alarm ${labels['alarm_type'] ?? ''} is raised`,
          'mend the cause, then etcdctl alarm disarm; CORRUPT means that the member must be replaced',
        ),
      );
  },
  function misbehaving(top) {
    const failures = sumOf(top, 'etcd_server_heartbeat_send_failures_total');
    if (failures < Bounds.heartbeatFailures) return [];
    return [
      finding(
        'heartbeat-failures',
        'warning',
        top.member,
        `${failures} heartbeats could not be sent`,
        'a peer is away or does not read: see etcd_network_peer_sent_failures_total by member',
      ),
    ];
  },
];

/** A log that grows and is not committed, a term that runs ahead: what a member does that disturbs the others. */
function termsApart(tops: readonly TopDocument[]): Finding[] {
  const terms = tops.map(({ term }) => term);
  const [lowest, highest] = [Math.min(...terms), Math.max(...terms)];
  if (tops.length < 2 || highest - lowest < Bounds.termsApart) return [];
  const ahead = tops.filter(({ term }) => term === highest).map(({ member }) => member);
  const text = tops.map(({ member, term }) => `${member}: ${term}`).join(', ');
  return [
    finding(
      'terms-apart',
      'warning',
      ahead.length === 1 ? (ahead[0] ?? '') : '',
      `the members are in terms far apart: ${text}`,
      'a member that calls elections and does not win them is cut off from the others, or its disk or CPU is too slow to hear the leader: see its log and links; keep --pre-vote on',
    ),
  ];
}

function ofCluster({ members, hashRevision }: ClusterSnapshot): Finding[] {
  const tops = members.flatMap(({ top }) => (top === undefined ? [] : [top]));
  const findings: Finding[] = [];
  const leaders = new Set(tops.map(({ leaderId, term }) => `${leaderId} in term ${term}`));
  if (leaders.size > 1) {
    findings.push(
      finding(
        'leader-disagreement',
        'warning',
        '',
        `members name different leaders: ${[...leaders].join('; ')}`,
        'an election is under way, or a member is cut off from the others: run this again',
      ),
    );
  }
  findings.push(...termsApart(tops));
  const hashes = members.filter(({ hash }) => hash !== undefined);
  if (new Set(hashes.map(({ hash }) => hash)).size > 1) {
    const text = hashes.map(({ top, hash }) => `${top?.member ?? ''}: ${String(hash)}`).join(', ');
    findings.push(
      finding(
        'data-divergence',
        'critical',
        '',
        `hashes at revision ${hashRevision} differ: ${text}`,
        'the member that stands alone holds other data: remove it, clear its data directory and add it again; keep a copy for analysis',
      ),
    );
  }
  return findings;
}

function seconds(value: number): string {
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
}

function bytes(value: number): string {
  if (value >= 1024 ** 3) return `${(value / 1024 ** 3).toFixed(1)} GiB`;
  return value >= 1024 ** 2 ? `${(value / 1024 ** 2).toFixed(1)} MiB` : `${Math.round(value / 1024)} KiB`;
}
