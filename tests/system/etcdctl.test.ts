import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { Cluster, etcdctl } from './support/cluster';
import { RealEtcd } from './support/real-etcd';
import { describeWith } from './support/tools';
import { waitFor } from './support/wait-for';

/** Commands with their input; run in order against both servers, which must answer alike. */
type Step = readonly [command: string, input?: string];

const KV: readonly Step[] = [
  ['get a'],
  ['put a 1'],
  ['put a 2 --prev-kv'],
  ['put b value-with-spaces'],
  ['put c/1 x'],
  ['put c/2 y'],
  ['put c/3 z'],
  ['get a'],
  ['get a --rev=2'],
  ['get a -w json'],
  ['get a c'],
  ['get c/ --prefix'],
  ['get c/ --prefix --limit=2'],
  ['get c/ --prefix --limit=2 -w json'],
  ['get c/ --prefix --count-only'],
  ['get c/ --prefix --keys-only'],
  ['get b --from-key'],
  ['get c/ --prefix --sort-by=CREATE --order=DESCEND'],
  ['get c/ --prefix --sort-by=VALUE --order=ASCEND'],
  ['get c/ --prefix --sort-by=VERSION --order=DESCEND'],
  ['get c/ --prefix --sort-by=MODIFY --order=DESCEND --limit=1'],
  ['get c/ --prefix --print-value-only'],
  ['get a --rev=100'],
  ['get a --consistency=s'],
  ['put a --ignore-value'],
  ['put nothing --ignore-value'],
  ['put a 3 --ignore-lease'],
  ['put a 4 --lease=1234'],
  ['del nothing'],
  ['del c/1 --prev-kv'],
  ['del c/ --prefix'],
  ['del c/ --prefix'],
  ['put d 1'],
  ['del d'],
  ['put d 2'],
  ['get d -w json'],
];

const TXN: readonly Step[] = [
  ['put t 1'],
  ['txn', 'value("t") = "1"\n\nput t 2\nget t\n\nget t\n\n'],
  ['txn', 'value("t") = "1"\n\nput t 3\n\nget t\nput u 1\n\n'],
  ['txn', 'mod("t") > "0"\nversion("t") = "2"\ncreate("t") < "1000"\n\ndel u --prev-kv\n\nget u\n\n'],
  ['txn', 'version("absent") = "0"\n\nput absent here\n\nget absent\n\n'],
  ['txn', 'value("none") != "x"\n\nput never 1\n\nget t\n\n'],
  ['txn', '\nput dup 1\nput dup 2\n\n\n'],
  ['txn', '\nput dup 1\ndel du --prefix\n\n\n'],
  ['txn -w json', '\nput w 1\nget w\ndel w\nput w2 2\n\n\n'],
];

const COMPACTION: readonly Step[] = [
  ['put k 1'],
  ['put k 2'],
  ['put k 3'],
  ['compaction 100000'],
  ['compaction 20'],
  ['get k --rev=10'],
  ['compaction 20'],
  ['compaction 5'],
  ['get k --rev=20'],
  ['compaction 21 --physical'],
  ['watch k --rev=3'],
];

const AUTH: readonly Step[] = [
  ['auth enable'],
  ['user add root:rootpw'],
  ['user add root:again'],
  ['user add alice:alicepw'],
  ['role add reader'],
  ['role add reader'],
  ['role grant-permission reader read app/ --prefix=true'],
  ['role grant-permission reader readwrite own'],
  ['role get reader'],
  ['role get none'],
  ['role list'],
  ['user list'],
  ['user grant-role alice reader'],
  ['user grant-role alice none'],
  ['user get alice'],
  ['user get alice --detail'],
  ['user grant-role root root'],
  ['auth enable'],
  ['put app/x 1'],
  ['put app/x 1 --user root:rootpw'],
  ['put app/x 1 --user root:wrong'],
  ['put app/x 1 --user nobody:wrong'],
  ['get app/x --user alice:alicepw'],
  ['put app/x 2 --user alice:alicepw'],
  ['put own 2 --user alice:alicepw'],
  ['del own --user alice:alicepw'],
  ['get other --user alice:alicepw'],
  ['get app/ own --user alice:alicepw'],
  ['txn --user alice:alicepw', '\nput own 5\nget app/x\n\n\n'],
  ['txn --user alice:alicepw', '\nput own 5\n\nget forbidden\n\n'],
  ['watch other --user alice:alicepw'],
  ['user add bob:b --user alice:alicepw'],
  ['role list --user alice:alicepw'],
  ['user passwd alice --interactive=false --user root:rootpw', 'newpw\n'],
  ['get app/x --user alice:newpw'],
  ['get app/x --user alice:alicepw'],
  ['role revoke-permission reader own --user root:rootpw'],
  ['put own 2 --user alice:newpw'],
  ['user revoke-role alice reader --user root:rootpw'],
  ['get app/x --user alice:newpw'],
  ['user delete alice --user root:rootpw'],
  ['get app/x --user alice:newpw'],
  ['role delete reader --user root:rootpw'],
  ['user delete root --user root:rootpw'],
  ['user revoke-role root root --user root:rootpw'],
  ['auth disable --user root:rootpw'],
  ['get app/x'],
];

/** What differs between any two clusters: ids, terms, sizes and the words of the client's own retry log. */
function comparable(text: string): string {
  return text
    .replace(/^\{"level".*\n/gm, '')
    .replace(/"(cluster_id|member_id|raft_term)":\d+/g, '"$1":0')
    .replace(/"(ClusterID|MemberID|RaftTerm)" : \d+/g, '"$1" : 0')
    .replace(/127\.0\.0\.1:\d+/g, 'ENDPOINT');
}

describeWith(['etcdctl', 'etcd'], 'etcdctl', () => {
  let hexad: Cluster;
  let etcd: RealEtcd;
  beforeAll(async () => {
    [hexad, etcd] = await Promise.all([Cluster.start(), RealEtcd.start()]);
  }, 60_000);
  const children: ChildProcessWithoutNullStreams[] = [];
  /** An etcdctl that runs until the test ends. */
  function background(...args: string[]): ChildProcessWithoutNullStreams {
    const child = spawn('etcdctl', ['--endpoints', hexad.endpoints.join(','), ...args]);
    children.push(child);
    return child;
  }
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(async () => {
    await Promise.all([hexad?.destroy(), etcd?.stop()]);
  }, 60_000);

  async function compare(steps: readonly Step[]): Promise<void> {
    for (const [command, input] of steps) {
      const args = [...command.split(' '), '--command-timeout=5s'];
      const [ours, theirs] = await Promise.all([
        etcdctl(hexad.endpoints, args, input),
        etcdctl([etcd.endpoint], args, input),
      ]);
      const seen = { command, code: ours.code, out: comparable(ours.stdout), err: comparable(ours.stderr) };
      expect(seen).toEqual({
        command,
        code: theirs.code,
        out: comparable(theirs.stdout),
        err: comparable(theirs.stderr),
      });
    }
  }

  test('reads, writes and deletes as with a real etcd', () => compare(KV), 120_000);
  test('transacts as with a real etcd', () => compare(TXN), 120_000);
  test('compacts as with a real etcd', () => compare(COMPACTION), 120_000);

  test('grants, keeps alive, shows and revokes leases, whose keys vanish with them', async () => {
    const granted = /lease ([0-9a-f]{16}) granted with TTL\(100s\)/.exec(await hexad.ctl('lease', 'grant', '100'));
    const id = granted?.[1] ?? '';
    expect(id).toHaveLength(16);
    expect(await hexad.ctl('put', 'leased', 'v', `--lease=${id}`)).toBe('OK\n');
    expect(await hexad.ctl('lease', 'timetolive', id, '--keys')).toMatch(
      new RegExp(
        `lease ${id} granted with TTL\\(100s\\), remaining\\((99|100|98)s\\), attached keys\\(\\[leased\\]\\)`,
      ),
    );
    expect(await hexad.ctl('lease', 'list')).toBe(`found 1 leases\n${id}\n`);
    expect(await hexad.ctl('lease', 'keep-alive', '--once', id)).toBe(`lease ${id} keepalived with TTL(100)\n`);
    expect(await hexad.ctl('lease', 'revoke', id)).toBe(`lease ${id} revoked\n`);
    expect(await hexad.ctl('get', 'leased')).toBe('');
    expect(await hexad.ctl('lease', 'timetolive', id)).toBe(`lease ${id} already expired\n`);
    expect((await hexad.etcdctl(['lease', 'revoke', id])).stderr).toContain('etcdserver: requested lease not found');
  }, 30_000);

  test('lets the keys of a lease vanish when it expires, and tells watchers', async () => {
    const watch = background('watch', 'short');
    let seen = '';
    watch.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text));
    const id = /lease ([0-9a-f]{16})/.exec(await hexad.ctl('lease', 'grant', '2'))?.[1] ?? '';
    await waitFor('the watch to see a put', async () => {
      await hexad.ctl('put', 'short', 'v', `--lease=${id}`);
      return seen.includes('PUT\nshort\nv\n');
    });
    await waitFor('the DELETE event', () => seen.includes('DELETE\nshort\n'));
    expect(await hexad.ctl('get', 'short')).toBe('');
  }, 30_000);

  test('watches prefixes with previous values, from now and from a revision', async () => {
    const start = Number(/"revision":(\d+)/.exec(await hexad.ctl('get', 'x', '-w', 'json'))?.[1]);
    await hexad.ctl('put', 'w/1', 'a');
    await hexad.ctl('put', 'w/1', 'b');
    await hexad.ctl('del', 'w/1');
    const watch = background('watch', '--prefix', 'w/', '--prev-kv', `--rev=${start + 1}`);
    let seen = '';
    watch.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text));
    const history = 'PUT\nw/1\na\nPUT\nw/1\na\nw/1\nb\nDELETE\nw/1\nb\nw/1\n\n';
    await waitFor('the history', () => seen.length >= history.length);
    expect(seen).toBe(history);
    await hexad.ctl('put', 'w/2', 'live');
    await waitFor('the live event', () => seen.endsWith('PUT\nw/2\nlive\n'));
  }, 30_000);

  test('locks one after the other and elects leaders', async () => {
    const holder = background('lock', 'mutex');
    let held = '';
    holder.stdout.setEncoding('utf8').on('data', (text: string) => (held += text));
    await waitFor('the first to hold the lock', () => held.startsWith('mutex/'));
    const second = background('lock', 'mutex');
    let heldBySecond = '';
    second.stdout.setEncoding('utf8').on('data', (text: string) => (heldBySecond += text));
    await waitFor(
      'the second to wait',
      async () => (await hexad.ctl('get', 'mutex/', '--prefix', '--keys-only')).trim().split(/\s+/).length === 2,
    );
    expect(heldBySecond).toBe('');
    holder.kill('SIGINT');
    await waitFor('the second to hold the lock', () => heldBySecond.startsWith('mutex/'));
    const candidate = background('elect', 'e', 'me');
    let elected = '';
    candidate.stdout.setEncoding('utf8').on('data', (text: string) => (elected += text));
    await waitFor('the election', () => /^e\/[0-9a-f]+\nme\n/.test(elected));
  }, 30_000);

  test('shows status, health, members and alarms', async () => {
    expect(
      (await hexad.etcdctl(['endpoint', 'health'])).stderr + (await hexad.etcdctl(['endpoint', 'health'])).stdout,
    ).toMatch(/is healthy: successfully committed proposal: took = /);
    expect(await hexad.ctl('endpoint', 'status')).toMatch(
      /^127\.0\.0\.1:\d+, [0-9a-f]+, 3\.7\.1, .*, true, false, \d+, \d+, \d+, \n$/,
    );
    expect(await hexad.ctl('member', 'list')).toMatch(
      /^[0-9a-f]+, started, m1, http:\/\/127\.0\.0\.1:\d+, http:\/\/127\.0\.0\.1:\d+, false\n$/,
    );
    expect(await hexad.ctl('alarm', 'list')).toBe('');
  }, 30_000);

  // Last: should it fail half-way, authentication stays on.
  test('authenticates and authorises as with a real etcd', () => compare(AUTH), 240_000);
});
