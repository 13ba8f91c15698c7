import { CASES, chosenCases } from './cases';
import { type Options, parseOptions, UsageError } from './options';
import { parseProfileOptions } from './profile-options';

function options(...argv: string[]): Options {
  const command = parseOptions(argv, undefined);
  if ('print' in command) throw new Error('it would print');
  return command.run;
}

const names = (of: Pick<Options, 'cases'>): string[] => of.cases.map(({ name }) => name);

test('what stage stamps cost is measured alone, in ten pairs of rounds', () => {
  expect(options('--case', 'attribution-cost')).toMatchObject({ attributionCost: true, rounds: 10 });
  expect(options('--case', 'attribution-cost', '--rounds', '2')).toMatchObject({ rounds: 2 });
  expect(() => options('--case', 'attribution-cost', '--case', 'put-1-3')).toThrow(UsageError);
});

test('without arguments all cases but those to be run by hand run three times against the etcd on PATH', () => {
  expect(options()).toMatchObject({ rounds: 3, seconds: 5, warmUp: 5, etcd: 'etcd', check: false });
  expect(options().cases).toEqual(CASES.filter(({ byHand }) => byHand !== true));
  expect(names(options('--case', 'watch-million-1'))).toEqual(['watch-million-1']);
});

test('ETCD_BIN chooses the etcd, --etcd goes before it, --no-etcd leaves it out', () => {
  const etcd = (...argv: string[]): string | undefined => {
    const command = parseOptions(argv, '/opt/etcd');
    return 'run' in command ? command.run.etcd : 'none';
  };
  expect([etcd(), etcd('--etcd', '/x'), etcd('--no-etcd')]).toEqual(['/opt/etcd', '/x', undefined]);
});

test('cases are chosen by name or by the beginning of it, in the order of the list', () => {
  expect(names(options('--case', 'watch-1000*', '--case', 'put-1-3'))).toEqual([
    'put-1-3',
    'watch-1000-3',
    'watch-1000-stream-3',
    'watch-1000-rate-3',
    'watch-10000-3',
  ]);
});

test('a case that is measured against another one brings it along', () => {
  expect(names(options('--case', 'put-16000-3'))).toEqual(['put-1000-3', 'put-16000-3']);
});

test('numbers are taken as given', () => {
  const argv = ['--rounds', '2', '--seconds', '0.5', '--warm-up', '1', '--rate', '100', '--out', 'x', '--check'];
  expect(options(...argv)).toMatchObject({ rounds: 2, seconds: 0.5, warmUp: 1, rate: 100, out: 'x', check: true });
});

test.each([
  [['--case', 'no-such'], /no case no-such/],
  [['--case'], /needs a value/],
  [['--case', '--check'], /needs a value/],
  [['--rounds', '0'], /positive/],
  [['--rounds', '1.5'], /whole/],
  [['--seconds', 'x'], /positive/],
  [['--seconds', 'Infinity'], /positive/],
  [['--warm-up', '-1'], /positive/],
  [['--fast'], /unknown flag --fast/],
  [['put-1-3'], /unknown argument put-1-3/],
  [['--etcd', 'x', '--no-etcd'], /exclude/],
])('%j is a mistake', (argv, text) => {
  expect(() => options(...argv)).toThrow(UsageError);
  expect(() => options(...argv)).toThrow(text);
});

test('--help and --list print and measure nothing', () => {
  expect(parseOptions(['--help'], undefined)).toMatchObject({ print: expect.stringContaining('Usage') as string });
  expect(parseOptions(['--list'], undefined)).toEqual({
    print: [...CASES.map(({ name }) => name), 'attribution-cost'].join('\n'),
  });
});

test('names of cases are unique, and targets refer to cases that exist', () => {
  expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
  for (const { target } of CASES)
    if (target.against !== undefined) expect(chosenCases([target.against.case])).toHaveLength(1);
});

describe('the profile command', () => {
  test('takes one case and a directory', () => {
    const command = parseProfileOptions(['put-1-3', '--out', 'x', '--seconds', '2']);
    expect(command).toMatchObject({ run: { bench: { name: 'put-1-3' }, out: 'x', seconds: 2 } });
  });

  test.each([[[]], [['no-such']], [['put-1-3', 'put-1-1']], [['put-1-3', '--check']]])('%j is a mistake', (argv) => {
    expect(() => parseProfileOptions(argv)).toThrow(UsageError);
  });
});
