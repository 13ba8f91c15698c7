import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { Cluster, ROOT } from './support/cluster';
import { describeWith, run } from './support/tools';

const RULES = join(ROOT, 'deploy', 'prometheus', 'hexad-alerts.yaml');
const TESTS = join(ROOT, 'deploy', 'prometheus', 'hexad-alerts.test.yaml');
const DASHBOARDS = join(ROOT, 'deploy', 'grafana', 'dashboards');
/** Prometheus' own, and what only a scrape makes. */
const NOT_OURS = new Set(['up']);

function metricNames(expression: string): string[] {
  const names = expression.match(/\b(?:etcd|hexad|grpc|process|os)_[a-z0-9_]+\b/g) ?? [];
  return names.filter((name) => !['grpc_type', 'grpc_code', 'grpc_method', 'grpc_service'].includes(name));
}

describe('what is deployed for Prometheus and Grafana', () => {
  test('asks only for metrics that a member has', async () => {
    const rules = load(readFileSync(RULES, 'utf8')) as { groups: { rules: { expr: string }[] }[] };
    const asked = rules.groups.flatMap((group) => group.rules.flatMap(({ expr }) => metricNames(expr)));
    for (const file of readdirSync(DASHBOARDS))
      asked.push(...metricNames(readFileSync(join(DASHBOARDS, file), 'utf8')));
    const cluster = await Cluster.start({ members: 1 });
    try {
      const url = `http://${cluster.member(0).endpoint}`;
      await cluster.ctl('put', 'a', 'b');
      await cluster.ctl('get', 'a');
      const page = await (await fetch(`${url}/metrics`)).text();
      const has = (name: string): boolean => page.includes(`# TYPE ${name.replace(/_(bucket|sum|count)$/, '')} `);
      expect(new Set(asked).size).toBeGreaterThan(15);
      expect([...new Set(asked)].filter((name) => !NOT_OURS.has(name) && !has(name))).toEqual([]);
    } finally {
      await cluster.destroy();
    }
  }, 60_000);
});

describeWith(['promtool'], 'promtool', () => {
  test('finds the alert rules correct', async () => {
    expect(await run('promtool', ['check', 'rules', RULES])).toMatchObject({ code: 0 });
  }, 30_000);

  test('sees alerts fire where their cause is planted, and none on a healthy cluster', async () => {
    const { code, stdout, stderr } = await run('promtool', ['test', 'rules', TESTS]);
    expect({ code, text: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, text: '' });
  }, 30_000);

  test('finds nothing to object to in the page of a member', async () => {
    const cluster = await Cluster.start({ members: 1 });
    try {
      await cluster.ctl('put', 'a', 'b');
      const page = await (await fetch(`http://${cluster.member(0).endpoint}/metrics`)).text();
      const { stdout, stderr } = await run('promtool', ['check', 'metrics'], { input: page });
      // It also advises on names, which are etcd's: only what is malformed counts.
      expect(`${stdout}${stderr}`).not.toMatch(/error while linting|parse|invalid/i);
    } finally {
      await cluster.destroy();
    }
  }, 60_000);
});
