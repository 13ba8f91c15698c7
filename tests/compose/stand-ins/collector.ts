import { readFileSync } from 'node:fs';
import { Client, credentials, ServerCredentials } from '@grpc/grpc-js';
import { load } from 'js-yaml';
import { OTLP_EXPORT, OtlpSink } from '../../system/support/otlp-sink';

interface CollectorConfig {
  readonly receivers: {
    readonly otlp: {
      readonly protocols: {
        readonly grpc: {
          readonly endpoint: string;
          readonly tls: { readonly cert_file: string; readonly key_file: string; readonly client_ca_file: string };
        };
      };
    };
  };
  readonly exporters: Readonly<
    Record<string, { readonly endpoint: string; readonly tls: { readonly insecure: boolean } }>
  >;
  readonly service: { readonly pipelines: { readonly traces: { readonly exporters: readonly string[] } } };
}

const PASS_ON_MS = 5_000;

/** Takes OTLP with client certificates and passes it on, as the collector's own configuration file says. */
export async function standInCollector(args: readonly string[]): Promise<void> {
  const path = args.find((arg) => arg.startsWith('--config='))?.slice('--config='.length) ?? '';
  const config = load(readFileSync(path, 'utf8')) as CollectorConfig;
  const { endpoint, tls } = config.receivers.otlp.protocols.grpc;
  const targets = config.service.pipelines.traces.exporters.map((name) => {
    const exporter = config.exporters[name];
    if (exporter?.tls.insecure !== true) throw new Error(`exporter ${name}: only those in plain text are stood in for`);
    return new Client(exporter.endpoint, credentials.createInsecure());
  });
  const same = (bytes: Buffer): Buffer => bytes;
  const passOn = (request: Buffer): void => {
    for (const target of targets) {
      target.makeUnaryRequest(OTLP_EXPORT, same, same, request, { deadline: Date.now() + PASS_ON_MS }, (error) => {
        if (error !== null) process.stderr.write(`cannot pass on: ${error.message}\n`);
      });
    }
  };
  const sink = new OtlpSink((span) => process.stdout.write(`${JSON.stringify(span)}\n`), passOn);
  const keys = [{ cert_chain: readFileSync(tls.cert_file), private_key: readFileSync(tls.key_file) }];
  await sink.start(endpoint, ServerCredentials.createSsl(readFileSync(tls.client_ca_file), keys, true));
}
