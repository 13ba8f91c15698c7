import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { readCertificate } from './certificate';

describe('a certificate that nobody would accept is told of at the start', () => {
  let directory: string;
  let path: string;
  const from = Date.parse('2026-01-01T00:00:00Z');
  const to = Date.parse('2027-01-01T00:00:00Z');
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'hexad-certificate-'));
    path = join(directory, 'cert.pem');
    const { cert } = await generate([], { keyType: 'ec', notBeforeDate: new Date(from), notAfterDate: new Date(to) });
    writeFileSync(path, cert);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test('in its time it is read', () => {
    expect(readCertificate(path, from).toString()).toMatch(/BEGIN CERTIFICATE/);
    expect(readCertificate(path, to).toString()).toMatch(/BEGIN CERTIFICATE/);
  });

  test('after its end: replace it', () => {
    expect(() => readCertificate(path, to + 1_000)).toThrow(
      `certificate ${path} expired at 2027-01-01T00:00:00Z: replace it with a new one and start again`,
    );
  });

  test('before its beginning: the clock, or another certificate', () => {
    expect(() => readCertificate(path, from - 60_000)).toThrow(
      `certificate ${path} is not valid before 2026-01-01T00:00:00Z, and the clock says 2025-12-31T23:59:00Z: set this machine's clock, or replace the certificate`,
    );
  });

  test('a file that is none, or is not there', () => {
    const other = join(directory, 'other.pem');
    writeFileSync(other, 'hello');
    expect(() => readCertificate(other)).toThrow(`${other} has no certificate in PEM form: is it the right file?`);
    expect(() => readCertificate(join(directory, 'none.pem'))).toThrow(/^can't read .*none\.pem: ENOENT/);
  });
});
