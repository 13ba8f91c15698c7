import { sleepMs, Terms } from './terms';

const NEVER = (): number => 0.999;
const ALWAYS = (): number => 0;

function actions(text: string, times: number, random = NEVER): (string | undefined)[] {
  const terms = new Terms(text, random);
  return Array.from({ length: times }, () => {
    const term = terms.next();
    return term && `${term.action}${term.value === undefined ? '' : `:${JSON.stringify(term.value)}`}`;
  });
}

test.each([
  ['panic', ['panic', 'panic']],
  ['off', ['off', 'off']],
  ['print()', ['print', 'print']],
  ['return', ['return', 'return']],
  ['return()', ['return', 'return']],
  ['return(-7)', ['return:-7', 'return:-7']],
  ['return(true)', ['return:true', 'return:true']],
  ['return("a)->b\\"%")', ['return:"a)->b\\"%"', 'return:"a)->b\\"%"']],
  ['1*sleep(100)', ['sleep:100', undefined]],
  ['1*return("a")->1*return("b")', ['return:"a"', 'return:"b"']],
  ['1*off->panic', ['off', 'panic']],
  ['0*panic', [undefined, undefined]],
])('%s is read as gofail reads it', (text, expected) => {
  expect(actions(text, 2)).toEqual(expected);
});

test('a probability decides each time, and what it does not choose goes to the next term', () => {
  expect(actions('50.0%panic->return(1)', 1, () => 0.6)).toEqual(['return:1']);
  expect(actions('50.0%panic->return(1)', 1, () => 0.4)).toEqual(['panic']);
  expect(actions('100.0%panic', 1, NEVER)).toEqual(['panic']);
  expect(actions('0.0%panic', 1, ALWAYS)).toEqual([undefined]);
});

test('a count is used up only when the probability before it allows', () => {
  const draws = [0.9, 0.1, 0.1];
  expect(actions('50.0%1*panic', 3, () => draws.shift() ?? 1)).toEqual([undefined, 'panic', undefined]);
});

test('what is counted is how often something was carried out', () => {
  const terms = new Terms('2*off', NEVER);
  for (let i = 0; i < 5; i += 1) terms.next();
  expect(terms.count).toBe(2);
});

test.each([
  '',
  'panics',
  'panic->',
  '->panic',
  'panic panic',
  '50%panic',
  '5.0*panic',
  '-1*panic',
  '2panic',
  'return(',
  'return(x)',
  'return("x)',
  'return("\\q")',
  'sleep',
  'sleep("soon")',
  'sleep(true)',
  'sleep("")',
])('%j is refused', (text) => {
  expect(() => new Terms(text, NEVER)).toThrow(SyntaxError);
});

test.each([
  [250, 250],
  [-1, 0],
  ['1s', 1_000],
  ['1m2.5s', 62_500],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['250us', 0.25],
  ['s', undefined],
  [undefined, undefined],
])('sleep(%j) is %j ms', (value, ms) => {
  expect(sleepMs(value)).toBe(ms);
});
