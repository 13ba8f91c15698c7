import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { ROOT } from '../../system/support/cluster';
import { freePorts } from '../../system/support/ports';
import { waitFor } from '../../system/support/wait-for';
import { describeWithEngine, Stack } from '../support/stack';
import { tracedPut } from '../support/traced';

const PROFILE = ['collector', 'jaeger', 'prometheus', 'grafana'];
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4737';
/** Prometheus takes notice of what there is every ten seconds. */
const SCRAPED_MS = 60_000;
const DASHBOARDS = join(ROOT, 'deploy/grafana/dashboards');

interface Target {
  readonly health: string;
  readonly lastError: string;
  readonly labels: { readonly job: string; readonly instance: string };
}

interface RuleGroup {
  readonly name: string;
  readonly rules: readonly { readonly name: string; readonly health: string; readonly lastError?: string }[];
}

interface Dashboard {
  readonly uid: string;
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
}

async function json<Answer>(url: string): Promise<Answer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP status ${response.status}`);
  return (await response.json()) as Answer;
}

describeWithEngine(
  'docker compose --profile observability up',
  () => {
    let stack: Stack;
    let prometheus = '';
    let grafana = '';
    let jaeger = '';
    beforeAll(async () => {
      const [jaegerPort = 0, grafanaPort = 0] = await freePorts(2);
      stack = await Stack.start({
        environment: {
          HEXAD_OTLP_ENDPOINT: 'https://collector:4317',
          HEXAD_JAEGER_PORT: String(jaegerPort),
          HEXAD_GRAFANA_PORT: String(grafanaPort),
        },
      });
      await stack.compose('--profile', 'observability', 'up', '--detach', '--scale', 'watch=2', '--scale', 'proxy=2');
      await stack.healthy(['watch', 'proxy', ...PROFILE]);
      prometheus = `http://${(await stack.addresses('prometheus'))[0] ?? ''}:9090`;
      [grafana, jaeger] = [`http://127.0.0.1:${grafanaPort}`, `http://127.0.0.1:${jaegerPort}`];
    }, 240_000);
    afterAll(() => stack?.destroy(), 60_000);

    test('its containers are as little trusted as all the others', async () => {
      const wrong: string[] = [];
      for (const service of PROFILE) {
        for (const id of await stack.containers(service)) {
          const host = await stack.inspect<{ ReadonlyRootfs: boolean; CapDrop: string[] | null; Memory: number }>(
            id,
            '.HostConfig',
          );
          const user = await stack.inspect<string>(id, '.Config.User');
          const isRight =
            host.ReadonlyRootfs && host.CapDrop?.join() === 'ALL' && host.Memory > 0 && /^[1-9]/.test(user);
          if (!isRight) wrong.push(service);
        }
      }
      expect(wrong).toEqual([]);
    }, 60_000);

    test('Prometheus scrapes every process of every tier', async () => {
      const wanted = { raft: 3, storage: 3, lease: 3, auth: 3, watch: 2, proxy: 2 };
      let targets: readonly Target[] = [];
      const up = (job: string): number =>
        targets.filter(({ health, labels }) => health === 'up' && labels.job === `hexad-${job}`).length;
      await waitFor(
        'all targets to be up',
        async () => {
          const { data } = await json<{ data: { activeTargets: Target[] } }>(`${prometheus}/api/v1/targets`);
          targets = data.activeTargets;
          return Object.entries(wanted).every(([job, count]) => up(job) === count);
        },
        SCRAPED_MS,
      ).catch(() => undefined);
      const problems = targets
        .filter(({ health }) => health !== 'up')
        .map(({ labels, lastError }) => [labels, lastError]);
      const found = Object.fromEntries(Object.keys(wanted).map((job) => [job, up(job)]));
      expect({ found, problems }).toEqual({ found: wanted, problems: [] });
    }, 90_000);

    test('what it scrapes of a process is that process’s own', async () => {
      const query = encodeURIComponent('sum by (job) (hexad_process_cpu_seconds_total)');
      const { data } = await json<{ data: { result: { metric: { job: string } }[] } }>(
        `${prometheus}/api/v1/query?query=${query}`,
      );
      expect(data.result.map(({ metric }) => metric.job).sort()).toEqual(
        ['auth', 'lease', 'proxy', 'raft', 'storage', 'watch'].map((name) => `hexad-${name}`),
      );
    }, 30_000);

    test('nobody else may scrape', async () => {
      const [address = ''] = await stack.addresses('m1-raft');
      const plain = await fetch(`http://${address}:2382/metrics`).then(
        ({ status }) => status,
        () => 'refused',
      );
      expect(plain).toBe('refused');
      const script = `require('https').get({host:'${address}',port:2382,path:'/metrics',rejectUnauthorized:false},(r)=>console.log(r.statusCode)).on('error',()=>console.log('refused'))`;
      const [proxy = ''] = await stack.containers('proxy');
      expect((await stack.docker('exec', proxy, 'node', '-e', script)).trim()).toBe('refused');
      const withRole = script.replace(
        'rejectUnauthorized',
        "cert:require('fs').readFileSync('/certs/proxy/cert.pem'),key:require('fs').readFileSync('/certs/proxy/cert-key.pem'),rejectUnauthorized",
      );
      expect((await stack.docker('exec', proxy, 'node', '-e', withRole)).trim()).toBe('refused');
    }, 60_000);

    test('the alert rules are loaded, evaluated without an error, and quiet', async () => {
      const { groups: wanted } = load(readFileSync(join(ROOT, 'deploy/prometheus/hexad-alerts.yaml'), 'utf8')) as {
        groups: { name: string; rules: unknown[] }[];
      };
      let groups: readonly RuleGroup[] = [];
      await waitFor(
        'the rules to have been evaluated',
        async () => {
          groups = (await json<{ data: { groups: RuleGroup[] } }>(`${prometheus}/api/v1/rules`)).data.groups;
          return groups.length > 0 && groups.every(({ rules }) => rules.every(({ health }) => health !== 'unknown'));
        },
        SCRAPED_MS,
      );
      expect(groups.map(({ name, rules }) => [name, rules.length])).toEqual(
        wanted.map(({ name, rules }) => [name, rules.length]),
      );
      expect(groups.flatMap(({ rules }) => rules.filter(({ health }) => health !== 'ok'))).toEqual([]);
      const { data } = await json<{ data: { alerts: { state: string; labels: unknown }[] } }>(
        `${prometheus}/api/v1/alerts`,
      );
      expect(data.alerts.filter(({ state }) => state === 'firing')).toEqual([]);
    }, 90_000);

    test('Grafana has the dashboards, and Prometheus an answer for each of their panels', async () => {
      const client = stack.client();
      const watcher = await client.watch().prefix('seen/').create();
      const files = readdirSync(DASHBOARDS).map(
        (file) => JSON.parse(readFileSync(join(DASHBOARDS, file), 'utf8')) as Dashboard,
      );
      const found = await json<{ uid: string }[]>(`${grafana}/api/search?type=dash-db`);
      expect(found.map(({ uid }) => uid).sort()).toEqual(files.map(({ uid }) => uid).sort());
      const empty = async (): Promise<string[]> => {
        const without: string[] = [];
        for (const { uid } of files) {
          const { dashboard } = await json<{ dashboard: Dashboard }>(`${grafana}/api/dashboards/uid/${uid}`);
          for (const { title, targets = [] } of dashboard.panels) {
            for (const { expr } of targets) {
              const query = expr.replaceAll('$job', '.*').replaceAll('$__rate_interval', '1m');
              const url = `${grafana}/api/datasources/proxy/uid/prometheus/api/v1/query?query=${encodeURIComponent(query)}`;
              const { data } = await json<{ data: { result: unknown[] } }>(url);
              if (data.result.length === 0) without.push(`${title}: ${expr}`);
            }
          }
        }
        return without;
      };
      let without: string[] = [];
      await waitFor(
        'each panel to have data',
        async () => {
          await client.put('seen/a').value('b');
          await client.get('seen/a').exec();
          without = await empty();
          return without.length === 0;
        },
        2 * SCRAPED_MS,
      ).catch(() => undefined);
      await watcher.cancel();
      client.close();
      expect(without).toEqual([]);
    }, 180_000);

    test('a trace is found in Jaeger, with the processes that its put crossed', async () => {
      await tracedPut(stack, TRACE_ID);
      interface Trace {
        readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
      }
      await waitFor(
        'the trace in Jaeger',
        async () => {
          const response = await fetch(`${jaeger}/api/traces/${TRACE_ID}`);
          if (!response.ok) return false;
          const { data } = (await response.json()) as { data: Trace[] };
          const services = data.flatMap(({ processes }) =>
            Object.values(processes).map(({ serviceName }) => serviceName),
          );
          return ['hexad-proxy', 'hexad-raft', 'hexad-storage'].every((name) => services.includes(name));
        },
        SCRAPED_MS,
      );
    }, 90_000);
  },
  'observability',
);
