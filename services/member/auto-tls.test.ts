import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateCertificates } from './auto-tls';
import { readConfig } from './member';

const ECDSA_WITH_SHA256 = '06082a8648ce3d040302';
const ECDSA_WITH_SHA1 = '06072a8648ce3d0401';

describe('--auto-tls and --peer-auto-tls', () => {
  let directory = '';
  beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'hexad-auto-tls-'))));
  afterAll(() => rmSync(directory, { recursive: true }));

  test('sign with SHA-256, for the hosts that are listened on, once', async () => {
    const flags = [
      `--data-dir=${directory}/m1`,
      '--auto-tls',
      '--peer-auto-tls',
      '--listen-client-urls=https://127.0.0.9:2379',
      '--advertise-client-urls=https://127.0.0.9:2379',
      '--listen-peer-urls=https://127.0.0.9:2380',
    ];
    const config = readConfig(flags, {});
    await generateCertificates(config);
    const { client, peer } = config.tls;
    for (const file of [client?.certFile ?? '', peer?.certFile ?? '']) {
      const made = new X509Certificate(readFileSync(file));
      const der = made.raw.toString('hex');
      expect({ sha256: der.includes(ECDSA_WITH_SHA256), sha1: der.includes(ECDSA_WITH_SHA1) }).toEqual({
        sha256: true,
        sha1: false,
      });
      expect(made.checkIP('127.0.0.9')).toBe('127.0.0.9');
      expect(made.verify(made.publicKey)).toBe(true);
    }
    const before = readFileSync(client?.certFile ?? '', 'utf8');
    await generateCertificates(config);
    expect(readFileSync(client?.certFile ?? '', 'utf8')).toBe(before);
  });
});
