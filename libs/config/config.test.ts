import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDuration } from './durations';
import { addEnvironment, ConfigError, parseArguments, UsageError } from './flag-values';
import { memberConfig } from './member-config';
import { clusterId, formatId, memberId, parseInitialCluster } from './membership';
import { readConfigFile } from './config-file';

const config = (...argv: string[]) => memberConfig(parseArguments(argv));
const withEnv = (env: Record<string, string>, ...argv: string[]) => {
  const values = parseArguments(argv);
  addEnvironment(values, env);
  return memberConfig(values);
};

describe('flags', () => {
  test('are read in all forms of the Go flag package, and the last of a repeated flag wins', () => {
    const values = parseArguments([
      '-name',
      'a',
      '--data-dir=/x',
      '--pre-vote=false',
      '--client-cert-auth',
      '--name=b',
    ]);
    expect(Object.fromEntries(values.given)).toEqual({
      name: 'b',
      'data-dir': '/x',
      'pre-vote': 'false',
      'client-cert-auth': 'true',
    });
  });

  test.each([
    [['--no-such-flag'], 'flag provided but not defined: -no-such-flag'],
    [['--name'], 'flag needs an argument: -name'],
    [['--heartbeat-interval=ten'], 'invalid value "ten" for flag -heartbeat-interval'],
    [['--pre-vote=maybe'], 'invalid boolean value "maybe" for flag -pre-vote'],
    [['--grpc-keepalive-min-time=5'], 'invalid duration "5" for flag -grpc-keepalive-min-time'],
  ])('%j is a usage error', (argv, message) => {
    expect(() => parseArguments(argv)).toThrow(new UsageError(message));
  });

  test.each([
    ['--client-crl-file=x'],
    ['--peer-cert-allowed-cn=x'],
    ['--unsafe-no-fsync'],
    ['--discovery-srv=example.com'],
  ])('%s guards something that is not built yet, so it is refused', (flag) => {
    expect(() => config(flag)).toThrow(/is not supported by this version of Hexad/);
  });

  test('a harmless flag that does nothing yet is accepted with a warning', () => {
    expect(config('--max-wals=9').warnings).toEqual(['--max-wals has no effect in this version of Hexad']);
    expect(config('--max-wals=5').warnings).toEqual([]);
  });

  test('the checks of the state have etcd’s names, old and new, and Hexad’s own', () => {
    const defaults = { divergence: true, initialCorrupt: false, corruptMs: 0, scrubBytesPerSecond: 1_048_576 };
    expect(config().checks).toEqual(defaults);
    const argv = ['--experimental-initial-corrupt-check', '--corrupt-check-time=2s', '--divergence-check=false'];
    const given = { ...defaults, divergence: false, initialCorrupt: true, corruptMs: 2_000, scrubBytesPerSecond: 0 };
    expect(config(...argv, '--scrub-bytes-per-second=0').checks).toEqual(given);
    expect(config('--experimental-corrupt-check-time=3s').checks.corruptMs).toBe(3_000);
    expect(config('--feature-gates=InitialCorruptCheck=true').checks.initialCorrupt).toBe(true);
    expect(() => config('--scrub-bytes-per-second=-1')).toThrow('--scrub-bytes-per-second must not be negative');
  });

  test('older spellings are accepted', () => {
    expect(config('--experimental-compaction-batch-limit=7').limits.compactionBatchLimit).toBe(7);
  });
});

describe('environment', () => {
  test('gives every flag, Hexad’s own under HEXAD_', () => {
    const read = withEnv({ ETCD_NAME: 'e', HEXAD_RPC_ENGINE: 'grpc-js', ETCD_MAX_TXN_OPS: '9' });
    expect([read.name, read.rpcEngine, read.limits.maxTxnOps]).toEqual(['e', 'grpc-js', 9]);
  });

  test('is refused when it contradicts a flag', () => {
    expect(() => withEnv({ ETCD_NAME: 'e' }, '--name=f')).toThrow(
      'conflicting environment variable "ETCD_NAME" is shadowed by corresponding command-line flag "name" (either unset environment variable or disable flag)',
    );
  });

  test('warns of unknown ETCD_ variables', () => {
    expect(withEnv({ ETCD_WHAT: '1' }).warnings).toEqual(['unrecognized environment variable ETCD_WHAT=1']);
  });
});

describe('configuration file', () => {
  let directory = '';
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'hexad-config-'))));
  afterEach(() => rmSync(directory, { recursive: true }));
  const file = (text: string): string => {
    writeFileSync(join(directory, 'etcd.conf.yml'), text);
    return join(directory, 'etcd.conf.yml');
  };

  test('takes flag names, TLS blocks and durations in nanoseconds, and ignores unknown keys', () => {
    const path = file(
      'name: y\nwatch-progress-notify-interval: 5000000000\nheartbeat-interval: 50\nno-such-key: 1\n' +
        'client-transport-security:\n  cert-file: /c\n  key-file: /k\n  trusted-ca-file: /ca\n  client-cert-auth: true\n',
    );
    const read = memberConfig(readConfigFile(path));
    expect([read.name, read.timing.watchProgressNotifyMs, read.timing.heartbeatMs]).toEqual(['y', 5_000, 50]);
    expect(read.tls.client).toMatchObject({
      certFile: '/c',
      keyFile: '/k',
      trustedCaFile: '/ca',
      clientCertAuth: true,
    });
  });

  test.each([['- a\n- b\n'], ['name: [\n'], ['']])('%j is refused by name', (text) => {
    expect(() => readConfigFile(file(text))).toThrow(/etcd\.conf\.yml/);
  });

  test('that does not exist is refused', () => {
    expect(() => readConfigFile(join(directory, 'none'))).toThrow(ConfigError);
  });
});

describe('member configuration', () => {
  test('has etcd’s defaults', () => {
    const read = config();
    expect(read).toMatchObject({
      name: 'default',
      memberId: '8e9e05c52164694d',
      clusterId: 'cdf818194e3a8c32',
      timing: { heartbeatMs: 100, electionMs: 1000, watchProgressNotifyMs: 600_000 },
      limits: { maxRequestBytes: 1_572_864, maxTxnOps: 128, quotaBackendBytes: 2_147_483_648 },
      tls: { client: null, peer: null },
    });
    expect(read.paths.dataDir.endsWith('/default.etcd')).toBe(true);
    expect(read.warnings).toEqual([]);
  });

  test.each([
    [['--election-timeout=400'], /should be at least as 5 times as --heartbeat-interval/],
    [['--election-timeout=60000'], /is too long/],
    [['--heartbeat-interval=0'], /must be >0/],
    [['--initial-cluster=other=http://127.0.0.1:1'], /couldn't find local name "default"/],
    [['--initial-cluster=default=http://127.0.0.1:1'], /missing from --initial-advertise-peer-urls/],
    [['--initial-cluster=nonsense'], /cannot parse --initial-cluster/],
    [['--initial-cluster-state=old'], /expected new or existing/],
    [
      ['--listen-client-urls=http://example.com:2379', '--advertise-client-urls=http://a:1'],
      /expected IP in URL for binding/,
    ],
    [['--listen-client-urls=127.0.0.1:2379', '--advertise-client-urls=http://a:1'], /URL/],
    [['--listen-client-urls=http://127.0.0.1:9'], /--advertise-client-urls is required/],
    [['--listen-client-urls=https://127.0.0.1:9', '--advertise-client-urls=https://a:1'], /TLS key\/cert/],
    [['--cert-file=a'], /must both be given/],
    [['--cert-file=a', '--key-file=b', '--client-cert-auth'], /needs --trusted-ca-file/],
    [['--cipher-suites=ROT13'], /unexpected TLS cipher suite/],
    [['--bcrypt-cost=3'], /from 4 to 31/],
    [['--auto-compaction-retention=soon'], /is not a duration/],
    [['--event-bus=amqp://127.0.0.1:4222'], /must be grpc, nats:\/\/HOST:PORT or tls:\/\/HOST:PORT/],
    [['--event-bus='], /--event-bus is empty/],
    [['--event-bus=nats://ann:secret@'], /is "nats:\/\/…@"/],
    [['--event-bus-cert-file=c.pem'], /must both be given/],
    [['--watch-hubs=*'], /needs --event-bus/],
    [['--watch-hubs=here'], /--watch-hubs must be unix:PATH or tcp:HOST:PORT/],
    [['--attach-members=*', '--event-bus=nats://n:4222'], /only with --cluster-id or --initial-cluster/],
    [['--attach-members=*,m1'], /has '\*' and names/],
    [['--attach-members=m1,m1', '--run-dir=/run/{member}'], /names m1 twice/],
    [['--attach-members=m1,m2'], /--raft-address must contain \{member\}/],
    [['--cluster-id=cafe'], /is for free-standing processes/],
    [['--cluster-id=0xxyz', '--attach-members=m1'], /is not a 64-bit number/],
    [['--watch-advertise-address=here'], /must be unix:PATH or tcp:HOST:PORT/],
    [['--log-level=loud'], /--log-level/],
    [['--storage-address=here'], /must be unix:PATH or tcp:HOST:PORT/],
  ])('%j is one clear error', (argv, message) => {
    expect(() => config(...argv)).toThrow(ConfigError);
    expect(() => config(...argv)).toThrow(message);
  });

  test('reads auto-compaction as hours, durations or revisions', () => {
    expect(config('--auto-compaction-retention=2').timing.autoCompactionRetention).toBe(7_200_000);
    expect(config('--auto-compaction-retention=5m').timing.autoCompactionRetention).toBe(300_000);
    expect(
      config('--auto-compaction-mode=revision', '--auto-compaction-retention=1000').timing.autoCompactionRetention,
    ).toBe(1000);
  });

  test('a free-standing process knows how to reach each member, and the cluster by its id or its members', () => {
    const flags = ['--attach-members=m1,m2', '--run-dir=/run/{member}', '--raft-address=tcp:{member}-raft:7001'];
    const { tiers, clusterId: unknown } = config(...flags, '--watch-hubs=tcp:watch:7003');
    expect(unknown).toBe('0');
    expect(tiers.watchHubs).toEqual(['tcp:watch:7003']);
    expect(tiers.attach).toMatchObject([
      { name: 'm1', addresses: { raft: 'tcp:m1-raft:7001', storage: 'unix:/run/m1/storage.sock' } },
      { name: 'm2', addresses: { raft: 'tcp:m2-raft:7001', lease: 'unix:/run/m2/lease.sock' } },
    ]);
    expect(config(...flags, '--cluster-id=0xCAFE').clusterId).toBe('cafe');
    const cluster = '--initial-cluster=m1=http://a:2380,m2=http://b:2380';
    expect(config(...flags, cluster).clusterId).toBe(
      config('--name=m1', cluster, '--initial-advertise-peer-urls=http://a:2380').clusterId,
    );
  });

  test('an event bus is NATS servers and the files to log in with', () => {
    expect(config().eventBus).toBeNull();
    expect(
      config('--event-bus=nats://a:4222,tls://b', '--event-bus-credentials-file=/c', '--event-bus-trusted-ca-file=/ca')
        .eventBus,
    ).toEqual({
      servers: ['nats://a:4222', 'tls://b'],
      credentialsFile: '/c',
      caFile: '/ca',
      certFile: '',
      keyFile: '',
    });
  });

  test('keeps socket paths short whatever the data directory', () => {
    const read = config(`--data-dir=/${'long/'.repeat(60)}`);
    for (const address of Object.values(read.addresses)) expect(address.length).toBeLessThan(100);
  });
});

describe('logging flags', () => {
  const rotate = (json: string, outputs = '/var/log/a') =>
    config('--enable-log-rotation', `--log-outputs=${outputs}`, `--log-rotation-config-json=${json}`).log;

  test('have etcd’s defaults', () => {
    expect(config().log).toEqual({ level: 'info', format: 'json', outputs: ['default'], rotation: null });
    expect(config('--log-outputs=').log.outputs).toEqual(['default']);
    expect(config('--log-outputs=stderr,/a,stderr', '--log-level=panic', '--log-format=console').log).toEqual({
      level: 'panic',
      format: 'console',
      outputs: ['stderr', '/a'],
      rotation: null,
    });
  });

  test('say when the one log file is rotated', () => {
    const megabyte = 1024 * 1024;
    const plain = { bytesMax: 100 * megabyte, daysMax: 0, backupsMax: 0, localTime: false, compress: false };
    expect(config('--enable-log-rotation', '--log-outputs=stderr,a.log').log.rotation).toEqual(plain);
    expect(
      rotate('{"MaxSize":5,"maxage":7,"maxbackups":3,"localtime":true,"compress":true,"other":1}').rotation,
    ).toEqual({
      bytesMax: 5 * megabyte,
      daysMax: 7,
      backupsMax: 3,
      localTime: true,
      compress: true,
    });
    expect(config('--log-rotation-config-json={').log.rotation).toBeNull();
  });

  const oneFile = '--log-outputs requires a single file path when --log-rotate-config-json is defined';
  test.each([
    [() => config('--log-level=loud'), /invalid value "loud" for --log-level/],
    [() => config('--log-format=xml'), /invalid value "xml" for --log-format/],
    [() => config('--log-outputs=default,stdout'), 'multi logoutput for "default" is not supported yet'],
    [() => config('--log-outputs=systemd/journal,a'), /^running with systemd\/journal but other/],
    [() => rotate('{}', 'stderr'), oneFile],
    [() => rotate('{}', 'systemd/journal'), oneFile],
    [() => rotate('{}', 'a,b'), oneFile],
    [() => rotate('{"maxsize"'), /^improperly formatted log rotation config: /],
    [() => rotate('[]'), /^invalid log rotation config: \[\] is not a JSON object/],
    [() => rotate('{"maxsize":"big"}'), /^invalid log rotation config: maxsize must be a whole number/],
    [() => rotate('{"maxage":1.5}'), /^invalid log rotation config: maxage must be/],
    [() => rotate('{"maxbackups":-1}'), /^invalid log rotation config: maxbackups must be/],
    [() => rotate('{"compress":"yes"}'), /^invalid log rotation config: compress must be true or false/],
  ])('%s is refused: %s', (start, message) => {
    expect(start).toThrow(message);
    expect(start).toThrow(ConfigError);
  });
});

describe('ids', () => {
  test('are those that a real etcd derives', () => {
    const id = memberId(['http://localhost:2380'], 'etcd-cluster');
    expect([formatId(id), formatId(clusterId([id]))]).toEqual(['8e9e05c52164694d', 'cdf818194e3a8c32']);
  });

  test('do not depend on the order of URLs or members', () => {
    expect(memberId(['b', 'a'], 't')).toBe(memberId(['a', 'b'], 't'));
    expect(clusterId([2n, 1n])).toBe(clusterId([1n, 2n]));
    expect(memberId(['a'], 't', 1)).not.toBe(memberId(['a'], 't', 2));
  });

  test('initial clusters may name a member several times', () => {
    expect(parseInitialCluster('a=http://1,b=http://2,a=http://3')).toEqual([
      { name: 'a', peerUrls: ['http://1', 'http://3'] },
      { name: 'b', peerUrls: ['http://2'] },
    ]);
  });
});

test.each([
  ['1h30m', 5_400_000],
  ['100ms', 100],
  ['1.5s', 1_500],
  ['0', 0],
  ['-2s', -2_000],
  ['', undefined],
  ['5', undefined],
  ['5 s', undefined],
])('duration %j is %p ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});
