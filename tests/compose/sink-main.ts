import { readFileSync } from 'node:fs';
import { ServerCredentials } from '@grpc/grpc-js';
import { OtlpSink } from '../system/support/otlp-sink';

/** In a container: what arrives is printed, a JSON line for each span. */
async function main(): Promise<void> {
  const pem = (name: string): Buffer => readFileSync(`/certs/collector/${name}.pem`);
  const keys = [{ cert_chain: pem('cert'), private_key: pem('cert-key') }];
  const sink = new OtlpSink((span) => process.stdout.write(`${JSON.stringify(span)}\n`));
  await sink.start('0.0.0.0:4317', ServerCredentials.createSsl(pem('ca'), keys, true));
  process.on('SIGTERM', () => process.exit(0));
}

void main();
