import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { ExitCode, Failure } from './failure';

type Selfsigned = typeof import('selfsigned');
type CertificateExtension = NonNullable<NonNullable<Parameters<Selfsigned['generate']>[1]>['extensions']>[number];

export interface CertificateOptions {
  readonly dir: string;
  readonly members: readonly string[];
  /** How a process of a member is dialled by the others: `{member}` and `{role}` are put in. */
  readonly memberHost: string;
  /** Names and addresses by which clients reach the proxies. */
  readonly clientHosts: readonly string[];
  readonly days: number;
}

/** Apart from each other, so that who is trusted in one place is nobody in another. */
const AUTHORITIES = ['internal', 'peer', 'client', 'bus'] as const;
type Authority = (typeof AUTHORITIES)[number];

interface Wanted {
  /** Folder of whoever holds it, and the name of the file in it (`cert`, or `peer` …). */
  readonly holder: string;
  readonly file: string;
  readonly authority: Authority;
  readonly commonName: string;
  readonly hosts: readonly string[];
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
/** Other hosts' clocks may be behind a little. */
const BACKDATED_MS = 3_600_000;
/** One that ends sooner is replaced. */
const RENEW_BEFORE_MS = 30 * DAY_MS;
const LOCAL = ['localhost', '127.0.0.1', '::1'];

/**
 * Makes what is missing, too old or for other hosts: an authority each for siblings, peers, clients and the event bus in `dir/ca`, and in
 * a folder for each role what that role holds. Says what it has done, a line each.
 */
export async function makeCertificates(options: CertificateOptions, say: (line: string) => void): Promise<void> {
  const authorities = new Map<Authority, Pair>();
  for (const name of AUTHORITIES) authorities.set(name, await authority(options, name, say));
  for (const wanted of wantedBy(options)) {
    const signer = authorities.get(wanted.authority) as Pair; // there is one for each of the names
    await makeOne(options, wanted, signer, say);
  }
}

function wantedBy({ members, memberHost, clientHosts }: CertificateOptions): Wanted[] {
  const hosts = (role: string): string[] => [
    ...members.map((member) => memberHost.replaceAll('{member}', member).replaceAll('{role}', role)),
    ...LOCAL,
  ];
  const internal = (role: string, names: readonly string[]): Wanted => ({
    holder: role,
    file: 'cert',
    authority: 'internal',
    commonName: role,
    hosts: names,
  });
  const bus = (holder: string, names: readonly string[] = []): Wanted => ({
    holder,
    file: 'bus',
    authority: 'bus',
    commonName: holder,
    hosts: names,
  });
  const client = (holder: string, file: string, names: readonly string[], commonName = holder): Wanted => ({
    holder,
    file,
    authority: 'client',
    commonName,
    hosts: names,
  });
  return [
    ...['raft', 'storage', 'lease', 'auth'].map((role) => internal(role, hosts(role))),
    ...['watch', 'proxy', 'collector'].map((role) => internal(role, [role, ...LOCAL])),
    { holder: 'raft', file: 'peer', authority: 'peer', commonName: 'peer', hosts: hosts('raft') },
    ...['storage', 'watch', 'proxy'].map((role) => bus(role)),
    bus('nats', ['nats', ...LOCAL]),
    client('proxy', 'client', [...new Set([...clientHosts, ...LOCAL])]),
    // Without a user's name: who has it says with name and password which user it is.
    client('client', 'cert', [], ''),
    client('prometheus', 'cert', [], ''),
    { ...internal('prometheus', []), file: 'process' },
  ];
}

async function authority({ dir }: CertificateOptions, name: Authority, say: (line: string) => void): Promise<Pair> {
  const folder = join(dir, 'ca');
  const found = read(folder, name);
  if (found !== undefined) {
    if (endsAt(found) > Date.now() + RENEW_BEFORE_MS) return found;
    const path = join(folder, `${name}.pem`);
    throw new Failure(
      `the authority ${path} ends at ${new Date(endsAt(found)).toISOString()}: remove all of ${dir}, run this again, and restart every process`,
      ExitCode.ERROR,
    );
  }
  const made = await generate(`hexad ${name} authority`, AUTHORITY_DAYS, undefined, [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ]);
  write(folder, name, made);
  say(`made ${join(folder, `${name}.pem`)}`);
  return made;
}

async function makeOne(
  options: CertificateOptions,
  { holder, file, authority: by, commonName, hosts }: Wanted,
  signer: Pair,
  say: (line: string) => void,
): Promise<void> {
  const folder = join(options.dir, holder);
  const ca = join(folder, `${file === 'cert' ? '' : `${file}-`}ca.pem`);
  const found = read(folder, file);
  if (found !== undefined && existsSync(ca) && isStillGood(found, signer, hosts)) return;
  const made = await generate(commonName, options.days, signer, [
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, critical: true },
    { name: 'extKeyUsage', serverAuth: hosts.length > 0, clientAuth: true },
    ...(hosts.length === 0 ? [] : [{ name: 'subjectAltName' as const, altNames: hosts.map(altName) }]),
  ]);
  write(folder, file, made);
  put(ca, signer.cert);
  say(`made ${join(folder, `${file}.pem`)} (authority: ${by}${commonName === '' ? '' : `, role: ${commonName}`})`);
}

function isStillGood(pair: Pair, signer: Pair, hosts: readonly string[]): boolean {
  const certificate = new X509Certificate(pair.cert);
  if (Date.parse(certificate.validTo) < Date.now() + RENEW_BEFORE_MS) return false;
  if (!certificate.verify(new X509Certificate(signer.cert).publicKey)) return false;
  return hosts.every((host) =>
    isIP(host) === 0 ? certificate.checkHost(host) !== undefined : certificate.checkIP(host) !== undefined,
  );
}

function endsAt({ cert }: Pair): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

function altName(host: string): { type: 2; value: string } | { type: 7; ip: string } {
  return isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host };
}

async function generate(
  commonName: string,
  days: number,
  signer: Pair | undefined,
  extensions: CertificateExtension[],
): Promise<Pair> {
  const selfsigned = require('selfsigned') as Selfsigned;
  const now = Date.now();
  const subject = [
    { name: 'organizationName', value: 'hexad' },
    ...(commonName === '' ? [] : [{ name: 'commonName', value: commonName }]),
  ];
  const made = await selfsigned.generate(subject, {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - BACKDATED_MS),
    notAfterDate: new Date(now + days * DAY_MS),
    extensions,
    ...(signer === undefined ? {} : { ca: signer }),
  });
  return { cert: made.cert, key: made.private };
}

function read(folder: string, file: string): Pair | undefined {
  const [cert, key] = [join(folder, `${file}.pem`), join(folder, `${file}-key.pem`)];
  if (!existsSync(cert) || !existsSync(key)) return undefined;
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

function write(folder: string, file: string, { cert, key }: Pair): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  put(join(folder, `${file}-key.pem`), key);
  put(join(folder, `${file}.pem`), cert);
}

/** Whole or not at all: whoever starts meanwhile must not read half a file. */
function put(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}
