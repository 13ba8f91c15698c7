import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { StartError } from './start-error';

/** @throws StartError with one line */
export function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new StartError(`can't read ${path}: ${(error as Error).message}`);
  }
}

/**
 * A certificate to prove oneself with. One that nobody would accept is told of at the start, by whoever has it: the others would only
 * see connections fail.
 *
 * @throws StartError with one line that says what to do
 */
export function readCertificate(path: string, now: number = Date.now()): Buffer {
  const pem = readPem(path);
  const certificate = parse(path, pem);
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  if (now > to) {
    throw new StartError(`certificate ${path} expired at ${iso(to)}: replace it with a new one and start again`);
  }
  if (now < from) {
    throw new StartError(
      `certificate ${path} is not valid before ${iso(from)}, and the clock says ${iso(now)}: set this machine's clock, or replace the certificate`,
    );
  }
  return pem;
}

function parse(path: string, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new StartError(`${path} has no certificate in PEM form: is it the right file?`);
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
