import { etcdctl } from './cluster';

/** A client command against a server, as root where that is needed. */
export type Ctl = (...args: string[]) => Promise<string>;

/** `etcdctl` on one endpoint; a failure is an error. */
export function ctlOf(endpoint: string, ...flags: readonly string[]): Ctl {
  return async (...args) => {
    const { code, stdout, stderr } = await etcdctl([endpoint], [...flags, ...args]);
    if (code !== 0) throw new Error(`etcdctl ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  };
}

interface Keys {
  readonly header: { readonly revision: number };
  readonly kvs?: unknown;
}

/** All that clients of a store can see and that a copy must have: keys at every revision, hash, leases, users, roles. */
export async function factsOf(ctl: Ctl, compacted: number): Promise<unknown> {
  const json = async <T>(...args: string[]): Promise<T> => parse(await ctl(...args, '-w', 'json'));
  const now = await json<Keys>('get', '', '--prefix');
  const { revision } = now.header;
  const history: unknown[] = [];
  for (let at = compacted; at < revision; at++)
    history.push((await json<Keys>('get', '', '--prefix', `--rev=${at}`)).kvs);
  const [hash] = await json<Array<{ HashKV: { hash: number; compact_revision: number } }>>('endpoint', 'hashkv');
  const { leases = [] } = await json<{ leases?: Array<{ id: string }> }>('lease', 'list');
  return {
    revision,
    keys: now.kvs,
    history,
    hash: [hash?.HashKV.hash, hash?.HashKV.compact_revision],
    leases: await leaseFacts(
      ctl,
      leases.map(({ id }) => id),
    ),
    users: await named(ctl, 'user'),
    roles: await named(ctl, 'role'),
  };
}

async function leaseFacts(ctl: Ctl, ids: readonly string[]): Promise<string[]> {
  const texts: string[] = [];
  for (const id of ids) {
    const text = await ctl('lease', 'timetolive', BigInt(id).toString(16), '--keys');
    // What is left of the time goes on running, and etcd lists keys in any order.
    const sorted = text.replace(/keys\(\[(.*)\]\)/, (_, keys: string) => `keys([${keys.split(' ').sort().join(' ')}])`);
    texts.push(sorted.replace(/remaining\(\d+s\)/, ''));
  }
  return texts.sort();
}

async function named(ctl: Ctl, what: 'user' | 'role'): Promise<string[]> {
  const names = (await ctl(what, 'list')).split('\n').filter((name) => name !== '');
  const texts: string[] = [];
  for (const name of names) texts.push(`${name}\n${await ctl(what, 'get', name)}`);
  return texts;
}

/** Lease ids have more digits than a number keeps. */
function parse<T>(text: string): T {
  return JSON.parse(text.replace(/"(id|ID)":(\d+)/g, '"id":"$2"')) as T;
}
