import type { InternalTlsFiles, ProcessName } from '../config/process-config';
import type { MutualTls } from '../rpc/transport-types';
import { readCertificate, readPem } from './certificate';

/** Who dials whom. Each may also ask itself how it does. */
const CLIENTS: Readonly<Record<ProcessName, readonly ProcessName[]>> = {
  raft: ['proxy', 'storage', 'lease', 'auth', 'watch'],
  storage: ['proxy', 'watch', 'lease', 'auth', 'raft'],
  watch: ['proxy'],
  lease: ['proxy'],
  auth: ['proxy'],
  proxy: [],
};

/** Only hubs are found by name where a name stands for many hosts, and are then dialled by number. */
const FOUND_BY_NUMBER: ProcessName = 'watch';

let identity: MutualTls | undefined;

/**
 * From now on every address of a sibling that this process reads (`parseAddress`) is one where both sides prove themselves. It is
 * the process's own, once for all of it, so that no listener or dialler can forget it.
 *
 * @throws StartError when a file can't be read, or the certificate is out of date
 */
export function useInternalTls(files: InternalTlsFiles | null, process_: ProcessName): void {
  identity =
    files === null
      ? undefined
      : {
          ca: readPem(files.trustedCaFile),
          cert: readCertificate(files.certFile),
          key: readPem(files.keyFile),
          clientRoles: [...CLIENTS[process_], process_],
          roleOfNumbers: FOUND_BY_NUMBER,
        };
}

export function internalIdentity(): MutualTls | undefined {
  return identity;
}
