import { counter, gauge, Histogram, histogram } from '../../../libs/telemetry';
import { OpStats } from '../attribution/op-stats';
import { MethodStats } from '../method-stats';
import { renderFamilies } from '../../../libs/telemetry';
import { stageMetrics } from './stage-metrics';

test('families of one name from several processes stand together, with their labels escaped', async () => {
  const { body, contentType } = await renderFamilies(
    [
      gauge('g', 'a gauge', [[{ process: 'a' }, 1]]),
      counter('c_total', 'a counter', 2),
      gauge('g', 'a gauge', [[{ process: 'b"\n' }, 3]]),
    ],
    '',
  );
  expect(contentType).toContain('text/plain; version=0.0.4');
  expect(body).toBe(
    [
      '# HELP g a gauge',
      '# TYPE g gauge',
      'g{process="a"} 1',
      'g{process="b\\"\\n"} 3',
      '',
      '# HELP c_total a counter',
      '# TYPE c_total counter',
      'c_total 2',
      '',
    ].join('\n'),
  );
});

test('a histogram is cumulative and ends with +Inf', async () => {
  const numbers = new Histogram([0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) numbers.observe(value);
  const { body } = await renderFamilies([histogram('h', 'a histogram', [numbers.numbers({ op: 'put' })])], '');
  expect(body.split('\n').slice(2, 7)).toEqual([
    'h_bucket{op="put",le="0.1"} 2',
    'h_bucket{op="put",le="1"} 3',
    'h_bucket{op="put",le="+Inf"} 4',
    'h_sum{op="put"} 7.65',
    'h_count{op="put"} 4',
  ]);
});

test('OpenMetrics, when asked for, has the trace of a request beside its bucket', async () => {
  const stats = new MethodStats('/etcdserverpb.KV/Put', 'unary');
  stats.ops.observeTotal(15, 0);
  stats.ops.exemplar(15, '4bf92f3577b34da6a3ce929d0e0e4736', 1700000000.5);
  const { body, contentType } = await renderFamilies(
    [counter('c_total', 'a counter', 2), ...stageMetrics([stats])],
    'application/openmetrics-text; version=1.0.0',
  );
  expect(contentType).toContain('openmetrics');
  expect(body).toContain('# TYPE c counter\nc_total 2\n');
  expect(body).toContain(
    'hexad_request_duration_seconds_bucket{op="put",le="0.00002"} 1 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.000015 1700000000.5',
  );
  expect(body.endsWith('# EOF\n')).toBe(true);
});

test('stages have series by stage and method only: what clients send never becomes a label', () => {
  const stats = new MethodStats('/etcdserverpb.KV/DeleteRange', 'unary');
  const ops: OpStats = stats.ops;
  for (let i = 0; i < 50; i++) {
    ops.observe(i % 13, i);
    ops.observeTotal(i, 0);
  }
  const family = stageMetrics([stats]).find(({ name }) => name === 'hexad_stage_duration_seconds');
  const labels = new Set(family?.samples.flatMap((sample) => Object.keys(sample.labels)));
  expect([...labels].sort()).toEqual(['le', 'op', 'stage']);
  expect(new Set(family?.samples.map((sample) => sample.labels['op']))).toEqual(new Set(['delete_range']));
});
