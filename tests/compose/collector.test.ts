import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { load } from 'js-yaml';
import { ROOT } from '../system/support/cluster';

interface Collector {
  readonly receivers: { readonly otlp: { readonly protocols: { readonly grpc: { readonly endpoint: string } } } };
  readonly exporters: Readonly<Record<string, { readonly endpoint: string }>>;
  readonly service: {
    readonly pipelines: Readonly<Record<string, Readonly<Record<Part, readonly string[]>>>>;
  };
}

type Part = 'receivers' | 'processors' | 'exporters';

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly profiles?: readonly string[];
        readonly networks: readonly string[];
        readonly volumes?: readonly string[];
        readonly environment?: Readonly<Record<string, string>>;
      }
    >
  >;
}

const tls = (required: readonly string[]): object => ({
  type: 'object',
  properties: {
    insecure: { type: 'boolean' },
    cert_file: { type: 'string' },
    key_file: { type: 'string' },
    ca_file: { type: 'string' },
    client_ca_file: { type: 'string' },
  },
  required,
  additionalProperties: false,
});
const hostPort = { type: 'string', pattern: '^[a-z0-9.-]+:\\d+$' };
const object = (properties: object, required: readonly string[] = Object.keys(properties)): object => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

/** What the collector's own documentation has for the components used here; a field that it does not have is a mistake. */
const SCHEMA = object({
  receivers: object({
    otlp: object({
      protocols: object({
        grpc: object({ endpoint: hostPort, tls: tls(['cert_file', 'key_file', 'client_ca_file']) }),
      }),
    }),
  }),
  processors: object({
    memory_limiter: object({ check_interval: { type: 'string' }, limit_mib: { type: 'integer' } }),
    batch: object({ timeout: { type: 'string' }, send_batch_size: { type: 'integer' } }, []),
  }),
  exporters: {
    type: 'object',
    patternProperties: { '^otlp(/\\w+)?$': object({ endpoint: hostPort, tls: tls(['insecure']) }) },
    additionalProperties: false,
    minProperties: 1,
  },
  service: object({
    pipelines: {
      type: 'object',
      patternProperties: {
        '^traces(/\\w+)?$': object(
          Object.fromEntries(
            ['receivers', 'processors', 'exporters'].map((part) => [
              part,
              { type: 'array', items: { type: 'string' }, minItems: 1 },
            ]),
          ),
        ),
      },
      additionalProperties: false,
      minProperties: 1,
    },
  }),
});

describe('the configuration of the OpenTelemetry collector', () => {
  const config = load(readFileSync(join(ROOT, 'deploy', 'otel-collector.yaml'), 'utf8')) as Collector;
  const { services } = load(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')) as Compose;
  const check = new Ajv({ allErrors: true, strict: false }).compile(SCHEMA);
  const problems = (candidate: unknown): unknown => (check(candidate) ? [] : check.errors);

  test('has only fields that its components have', () => {
    expect(problems(config)).toEqual([]);
    expect(problems({ ...config, exporter: {} })).not.toEqual([]);
    const misspelt = { ...config, receivers: { otlp: { protocols: { grpc: { endpoints: 'x:1' } } } } };
    expect(problems(misspelt)).not.toEqual([]);
  });

  test('has all that its pipelines name, and its memory is limited first, as the collector wants it', () => {
    for (const pipeline of Object.values(config.service.pipelines)) {
      for (const part of ['receivers', 'processors', 'exporters'] as const) {
        const defined = Object.keys((config as unknown as Record<Part, object>)[part]);
        expect(defined).toEqual(expect.arrayContaining([...pipeline[part]]));
      }
      expect(pipeline.processors[0]).toBe('memory_limiter');
    }
  });

  test('listens where members send, and sends to Jaeger, which is in the same profile and network and takes OTLP', () => {
    expect(config.receivers.otlp.protocols.grpc.endpoint.split(':')[1]).toBe('4317');
    const { collector, jaeger } = services;
    expect([collector?.profiles, jaeger?.profiles]).toEqual([['observability'], ['observability']]);
    const [host = '', port] = Object.values(config.exporters)[0]?.endpoint.split(':') ?? [];
    expect([Object.hasOwn(services, host), host, port]).toEqual([true, 'jaeger', '4317']);
    expect(collector?.networks.filter((network) => jaeger?.networks.includes(network))).toEqual(['observability']);
    expect(jaeger?.environment?.['COLLECTOR_OTLP_ENABLED']).toBe('true');
  });

  test('reads certificates from where the compose file has them', () => {
    const mounted = (services['collector']?.volumes ?? []).map((volume) => volume.split(':')[1] ?? '');
    expect(mounted).toContain('/etc/otel-collector.yaml');
    const files = JSON.stringify(config).match(/\/certs\/[\w/.-]+/g) ?? [];
    expect(files).toHaveLength(3);
    for (const file of files) expect(mounted.some((place) => file.startsWith(`${place}/`))).toBe(true);
  });
});
