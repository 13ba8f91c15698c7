import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { begunIdentity, begunToken } from '../../libs/bootstrap';
import { type MemberConfig, PROCESS_NAMES, processConfig, type ProcessName, UsageError } from '../../libs/config';
import { StartError } from '../../libs/process';
import { generateCertificates } from './auto-tls';
import { prepareDirectories, prepareSocketDirectory } from './data-directory';
import { refuseSecondBeginning, withJoinedIdentity } from './join';
import { readConfig } from './member';
import { withRecordedIdentity } from './recorded-identity';

const RAFT_BEGINS_MS = 15_000;
const LOOK_MS = 50;

/**
 * `hexad process NAME [flags]`: this very process becomes one of the six, with the flags of the member it belongs to, or a
 * free-standing hub or proxy, with `--attach-members`.
 * Whoever runs it (a container engine, systemd) restarts it.
 */
export async function runSingleProcess(argv: readonly string[]): Promise<void> {
  const [name = '', ...flags] = argv;
  const known = PROCESS_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new UsageError(`unknown process "${name}": expected ${PROCESS_NAMES.join(', ')}`);
  const config = await prepared(known, readConfig(flags, process.env));
  await generateCertificates(config);
  become(known, JSON.stringify(processConfig(config, known)));
}

/**
 * etcd takes no notice of the token of a member that has run before, and so does `bin/hexad`. Where the processes of a member are
 * set up one by one, a token that has changed is a mistake in one of the places.
 */
function refuseOtherToken({ paths, clusterToken }: MemberConfig): void {
  const begunWith = begunToken(paths.memberDir);
  if (begunWith === undefined || begunWith === clusterToken) return;
  throw new StartError(
    `the data in ${paths.dataDir} is of a cluster with the token "${begunWith}", but --initial-cluster-token is "${clusterToken}": ` +
      'set the token back, or give the new cluster an empty data directory',
  );
}

/**
 * Which ids a member has that joins a running cluster is found out by its raft, once; the others see it in the data directory if
 * they share it. Else they ask the cluster themselves.
 */
async function raftHasBegun({ clusterState, paths }: MemberConfig): Promise<void> {
  if (clusterState !== 'existing') return;
  const giveUpAt = performance.now() + RAFT_BEGINS_MS;
  while (begunIdentity(paths.memberDir) === undefined && performance.now() < giveUpAt) {
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
}

/** A free-standing process has no data and no place in the cluster; only its own socket may need a directory. */
async function prepared(name: ProcessName, wanted: MemberConfig): Promise<MemberConfig> {
  if (wanted.tiers.attach === null) {
    if (name === 'raft') refuseOtherToken(wanted);
    else await raftHasBegun(wanted);
    const config = await withJoinedIdentity(withRecordedIdentity(wanted));
    if (name === 'raft') await refuseSecondBeginning(config);
    prepareDirectories(config, [name]);
    return config;
  }
  if (name !== 'watch' && name !== 'proxy')
    throw new UsageError(`--attach-members is for watch and proxy, not ${name}`);
  prepareSocketDirectory(wanted.addresses[name]);
  return wanted;
}

function become(name: ProcessName, document: string): void {
  const directory = mkdtempSync(join(tmpdir(), 'hexad-config-'));
  const file = join(directory, 'config.json');
  writeFileSync(file, document, { mode: 0o600 });
  process.argv.push('--config-json', file);
  require(join(__dirname, '..', name, 'main.js'));
  rmSync(directory, { recursive: true });
}
