import { Limits } from './limits';
import { PeerProblems } from './peer-problems';

test('lines are bounded in a while, and what was left out is counted', () => {
  let time = 0;
  const lines: unknown[] = [];
  const problems = new PeerProblems({ warn: (fields: unknown) => void lines.push(fields) }, () => time);
  for (let i = 0; i < Limits.peerProblemsPerWindow + 5; i++) problems.report(`10.0.0.1:${i}`, 'bad');
  expect(lines).toHaveLength(Limits.peerProblemsPerWindow);
  expect(lines[0]).toEqual({ 'remote-addr': '10.0.0.1:0', error: 'bad' });
  time += Limits.peerProblemsWindowMs;
  problems.report('10.0.0.2:1', 'worse');
  expect(lines.slice(-2)).toEqual([{ count: 5 }, { 'remote-addr': '10.0.0.2:1', error: 'worse' }]);
});
