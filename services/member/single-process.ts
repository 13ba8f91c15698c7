import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROCESS_NAMES, processConfig, type ProcessName, UsageError } from '../../libs/config';
import { generateCertificates } from './auto-tls';
import { prepareDirectories } from './data-directory';
import { withJoinedIdentity } from './join';
import { readConfig } from './member';
import { withRecordedIdentity } from './recorded-identity';

/**
 * `hexad process NAME [flags]`: this very process becomes one of the six, with the flags of the member it belongs to.
 * Whoever runs it (a container engine, systemd) restarts it.
 */
export async function runSingleProcess(argv: readonly string[]): Promise<void> {
  const [name = '', ...flags] = argv;
  const known = PROCESS_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new UsageError(`unknown process "${name}": expected ${PROCESS_NAMES.join(', ')}`);
  const config = await withJoinedIdentity(withRecordedIdentity(readConfig(flags, process.env)));
  prepareDirectories(config, [known]);
  await generateCertificates(config);
  become(known, JSON.stringify(processConfig(config, known)));
}

function become(name: ProcessName, document: string): void {
  const directory = mkdtempSync(join(tmpdir(), 'hexad-config-'));
  const file = join(directory, 'config.json');
  writeFileSync(file, document, { mode: 0o600 });
  process.argv.push('--config-json', file);
  require(join(__dirname, '..', name, 'main.js'));
  rmSync(directory, { recursive: true });
}
