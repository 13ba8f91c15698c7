import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CertificateOptions, makeCertificates } from './certificates';

describe('the certificates of a cluster', () => {
  let dir: string;
  let said: string[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hexad-certificates-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  async function make(changes: Partial<CertificateOptions> = {}): Promise<void> {
    said = [];
    const options = { dir, members: ['m1', 'm2'], memberHost: '{member}-{role}', clientHosts: ['edge'], days: 825 };
    await makeCertificates({ ...options, ...changes }, (line) => said.push(line));
  }
  const read = (path: string): X509Certificate => new X509Certificate(readFileSync(join(dir, path)));

  test('each is signed by the authority in its folder, names its role and holds for its hosts', async () => {
    await make();
    const cert = read('raft/cert.pem');
    expect(cert.verify(read('raft/ca.pem').publicKey)).toBe(true);
    expect(cert.subject).toContain('CN=raft');
    expect(['m1-raft', 'm2-raft', 'localhost'].map((host) => cert.checkHost(host))).toEqual([
      'm1-raft',
      'm2-raft',
      'localhost',
    ]);
    expect(cert.checkHost('m1-storage')).toBeUndefined();
    expect(read('proxy/client.pem').checkHost('edge')).toBe('edge');
    expect(read('prometheus/process.pem').subject).toContain('CN=prometheus');
    expect(read('prometheus/process.pem').verify(read('raft/ca.pem').publicKey)).toBe(true);
  });

  test('who is trusted in one place is nobody in another', async () => {
    await make();
    const client = read('client/cert.pem');
    expect(client.verify(read('proxy/client-ca.pem').publicKey)).toBe(true);
    for (const ca of ['proxy/ca.pem', 'raft/ca.pem', 'raft/peer-ca.pem', 'storage/bus-ca.pem']) {
      expect({ ca, trusted: client.verify(read(ca).publicKey) }).toEqual({ ca, trusted: false });
    }
    expect(read('proxy/cert.pem').verify(read('raft/peer-ca.pem').publicKey)).toBe(false);
  });

  test('only their owner reads them', async () => {
    await make();
    for (const folder of readdirSync(dir)) {
      expect(statSync(join(dir, folder)).mode & 0o777).toBe(0o700);
      for (const file of readdirSync(join(dir, folder)))
        expect(statSync(join(dir, folder, file)).mode & 0o777).toBe(0o600);
    }
  });

  test('a second time nothing is made, and with one member more only what names members, by the same authority', async () => {
    await make();
    const authority = readFileSync(join(dir, 'ca/internal.pem'), 'utf8');
    await make();
    expect(said).toEqual([]);
    await make({ members: ['m1', 'm2', 'm3'] });
    expect(said.map((line) => line.replace(dir, '').split(' ')[1])).toEqual(
      ['raft/cert', 'storage/cert', 'lease/cert', 'auth/cert', 'raft/peer'].map((name) => `/${name}.pem`),
    );
    expect(readFileSync(join(dir, 'ca/internal.pem'), 'utf8')).toBe(authority);
  });

  test('what is near its end is made anew', async () => {
    await make({ days: 20 });
    const before = read('raft/cert.pem').serialNumber;
    await make();
    expect(read('raft/cert.pem').serialNumber).not.toBe(before);
    expect(Date.parse(read('raft/cert.pem').validTo) - Date.now()).toBeGreaterThan(800 * 86_400_000);
  });
});
