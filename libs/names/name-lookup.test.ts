import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { candidates, parseHosts, parseResolvConf } from './hosts-file';
import { NameLookup, type NameServers } from './name-lookup';

type Zone = Readonly<Record<string, readonly string[] | 'silent'>>;

let directory = '';
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'hexad-names-'))));
afterEach(() => rmSync(directory, { recursive: true }));

function error(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Name servers that know this, and a system that is asked by `system`. */
function lookup(
  zone: Zone,
  options: {
    hosts?: string;
    conf?: string;
    system?: (host: string) => Promise<{ address: string; family: number }[]>;
    now?: () => number;
  } = {},
): { names: NameLookup; asked: string[] } {
  const asked: string[] = [];
  const answer = (family: 4 | 6) => async (name: string) => {
    if (family === 4) asked.push(name);
    const known = zone[name];
    if (known === 'silent') throw error('ETIMEOUT');
    const fitting = (known ?? []).filter((address) => address.includes(':') === (family === 6));
    if (fitting.length === 0) throw error(known === undefined ? 'ENOTFOUND' : 'ENODATA');
    return fitting;
  };
  const servers: NameServers = { resolve4: answer(4), resolve6: answer(6) };
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const names = new NameLookup({
    hostsFile: file('hosts', options.hosts ?? ''),
    resolvConf: file('resolv.conf', options.conf ?? ''),
    servers: () => servers,
    system: options.system ?? (() => Promise.reject(error('ENOTFOUND'))),
    now: options.now ?? (() => 0),
  });
  return { names, asked };
}

const four = (address: string): object => ({ address, family: 4 });
const six = (address: string): object => ({ address, family: 6 });

describe('names of hosts', () => {
  test('come from /etc/hosts first, and from it as it is now', async () => {
    const { names, asked } = lookup(
      { m1: ['10.9.9.9'] },
      { hosts: '10.0.0.1 M1 m1.example # the first\nfd00::1 m1\n' },
    );
    expect(await names.find('m1')).toEqual([four('10.0.0.1'), six('fd00::1')]);
    writeFileSync(join(directory, 'hosts'), '10.0.0.22 other\n');
    expect(await names.find('m1')).toEqual([four('10.9.9.9')]);
    expect(await names.find('localhost')).toEqual([four('127.0.0.1'), six('::1')]);
    expect(asked).toEqual(['m1']);
  });

  test('are asked of the name servers, IPv4 addresses first', async () => {
    const { names } = lookup({ both: ['fd00::2', '10.0.0.2'], six: ['fd00::3'] });
    expect(await names.find('both')).toEqual([four('10.0.0.2'), six('fd00::2')]);
    expect(await names.find('six')).toEqual([six('fd00::3')]);
  });

  test('are completed by the search list, as ndots says', async () => {
    const conf = 'nameserver 10.0.0.10\nsearch ns.svc.cluster.local svc.cluster.local\noptions ndots:5 timeout:1\n';
    const { names, asked } = lookup(
      { 'hexad-0.hexad.ns.svc.cluster.local': ['10.1.0.1'], 'a.example': ['10.2.0.1'] },
      { conf },
    );
    expect(await names.find('hexad-0.hexad')).toEqual([four('10.1.0.1')]);
    expect(await names.find('a.example')).toEqual([four('10.2.0.1')]);
    expect(asked).toEqual([
      'hexad-0.hexad.ns.svc.cluster.local',
      'a.example.ns.svc.cluster.local',
      'a.example.svc.cluster.local',
      'a.example',
    ]);
  });

  test('that are looked up many times at once are asked for once', async () => {
    const { names, asked } = lookup({ m1: ['10.0.0.1'] });
    await Promise.all(Array.from({ length: 100 }, () => names.find('m1')));
    expect(asked).toEqual(['m1']);
  });

  test('whose servers are silent fail without asking the system, which would wait for the same servers', async () => {
    let system = 0;
    const { names } = lookup({ gone: 'silent' }, { system: () => Promise.resolve([]).finally(() => (system += 1)) });
    await expect(names.find('gone')).rejects.toMatchObject({ code: 'EAI_AGAIN' });
    expect(system).toBe(0);
  });

  test('that only the system knows are asked of it one at a time', async () => {
    let running = 0;
    let most = 0;
    const system = async (host: string): Promise<{ address: string; family: number }[]> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return [{ address: `10.3.0.${host.slice(1)}`, family: 4 }];
    };
    const { names } = lookup({}, { system });
    const found = await Promise.all(Array.from({ length: 20 }, (_, at) => names.find(`h${at}`)));
    expect(found[7]).toEqual([four('10.3.0.7')]);
    expect(most).toBe(1);
  });

  test('that the system took long not to find rest before it is asked again', async () => {
    let now = 0;
    let asked = 0;
    const system = async (): Promise<never> => {
      asked += 1;
      now += 2_000;
      throw error('ENOTFOUND');
    };
    const { names } = lookup({}, { system, now: () => now });
    const fails = async (): Promise<void> => expect(names.find('gone')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await fails();
    now += 19_999;
    await fails();
    expect(asked).toBe(1);
    now += 1;
    await fails();
    expect(asked).toBe(2);
  });
});

test('hosts(5) and resolv.conf(5) are read as they are written', () => {
  expect(parseHosts('127.0.0.1\tlocalhost\n# 1.2.3.4 no\n10.0.0.1 a b\n10.0.0.2 a\nnonsense c\n').get('a')).toEqual([
    '10.0.0.1',
    '10.0.0.2',
  ]);
  expect(parseResolvConf('# none\n')).toEqual({ search: [], ndots: 1 });
  expect(parseResolvConf('domain a\nsearch b c\noptions rotate ndots:2\n')).toEqual({ search: ['b', 'c'], ndots: 2 });
  expect(candidates('m1.', { search: ['b'], ndots: 1 })).toEqual(['m1.']);
  expect(candidates('m1', { search: ['b'], ndots: 1 })).toEqual(['m1.b', 'm1']);
});
