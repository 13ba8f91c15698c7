import type { Command } from 'commander';
import { DowngradeRequest_DowngradeAction, type StatusResponse } from '../../proto/gen/etcdserverpb';
import { ExitCode, Failure } from './failure';
import { goJson, headerJson, say, table } from './output';
import { clientsOf, globalOf, withClient } from './session';

const STATUS_HEAD = [
  'ENDPOINT',
  'ID',
  'VERSION',
  'STORAGE VERSION',
  'DB SIZE',
  'IN USE',
  'PERCENTAGE NOT IN USE',
  'QUOTA',
  'IS LEADER',
  'IS LEARNER',
  'RAFT TERM',
  'RAFT INDEX',
  'RAFT APPLIED INDEX',
  'ERRORS',
  'DOWNGRADE TARGET VERSION',
  'DOWNGRADE ENABLED',
];

/** endpoint status, endpoint health, member list and downgrade, with etcdctl's flags and output. */
export function addClusterCommands(program: Command): void {
  const endpoint = program.command('endpoint').description('Endpoint related commands');
  endpoint
    .command('status')
    .description('Prints out the status of endpoints specified in `--endpoints` flag')
    .option('--cluster', 'use all endpoints from the cluster member list')
    .action((flags: { readonly cluster?: boolean }) => status(program, flags.cluster === true));
  endpoint
    .command('health')
    .description('Checks the healthiness of endpoints specified in `--endpoints` flag')
    .option('--cluster', 'use all endpoints from the cluster member list')
    .action((flags: { readonly cluster?: boolean }) => health(program, flags.cluster === true));
  program
    .command('member')
    .description('Membership related commands')
    .command('list')
    .description('Lists all members in the cluster')
    .option('--consistency <c>', 'Linearizable(l) or Serializable(s)', 'l')
    .action((flags: { readonly consistency: string }) => memberList(program, flags.consistency === 'l'));
  addDowngradeCommands(program);
}

function addDowngradeCommands(program: Command): void {
  const downgrade = program.command('downgrade').description('Downgrade related commands');
  const { VALIDATE, ENABLE, CANCEL } = DowngradeRequest_DowngradeAction;
  const add = (name: string, description: string, action: number): void =>
    void downgrade
      .command(name)
      .description(description)
      .action(async (version: unknown) => {
        const target = typeof version === 'string' ? version : '';
        const current = await withClient(globalOf(program), (client) => client.downgrade(action, target));
        say(`Downgrade ${name.split(' ')[0]} success, cluster version ${current}\n`);
      });
  add('validate <TARGET_VERSION>', 'Validate downgrade capability before starting downgrade', VALIDATE);
  add('enable <TARGET_VERSION>', 'Start a downgrade action to cluster', ENABLE);
  add('cancel', 'Cancel the ongoing downgrade action to cluster', CANCEL);
}

/** Those of the flag, or of the cluster's members. */
export async function chosenClients(program: Command, cluster: boolean): Promise<ReturnType<typeof clientsOf>> {
  const global = globalOf(program);
  if (!cluster) return clientsOf(global);
  const { members } = await withClient(global, (client) => client.memberList(true));
  return clientsOf({ ...global, endpoints: members.flatMap(({ clientURLs }) => clientURLs).join(',') });
}

async function status(program: Command, cluster: boolean): Promise<void> {
  const { writeOut } = globalOf(program);
  const found: { readonly endpoint: string; readonly response: StatusResponse }[] = [];
  let failed = false;
  for (const { endpoint, client } of await chosenClients(program, cluster)) {
    try {
      found.push({ endpoint, response: await client.status() });
    } catch (error) {
      failed = true;
      process.stderr.write(
        `Failed to get the status of endpoint ${endpoint} (${error instanceof Error ? error.message : String(error)})\n`,
      );
    } finally {
      client.close();
    }
  }
  if (writeOut === 'json')
    say(`[${found.map(({ endpoint, response }) => statusJson(endpoint, response)).join(',')}]\n`);
  else {
    const rows = found.map(({ endpoint, response }) => statusRow(endpoint, response));
    say(writeOut === 'table' ? table(STATUS_HEAD, rows) : rows.map((row) => `${row.join(', ')}\n`).join(''));
  }
  if (failed) throw new Failure('', ExitCode.INTERRUPTED);
}

function statusRow(endpoint: string, status: StatusResponse): string[] {
  const { header, version, storageVersion, dbSize, dbSizeInUse, dbSizeQuota, leader, isLearner } = status;
  const id = header?.memberId ?? 0n;
  const unused = Number(dbSize) === 0 ? 0 : Math.round(100 - (100 * Number(dbSizeInUse)) / Number(dbSize));
  return [
    endpoint,
    id.toString(16),
    version,
    storageVersion,
    size(Number(dbSize)),
    size(Number(dbSizeInUse)),
    `${unused}%`,
    size(Number(dbSizeQuota)),
    String(leader === id),
    String(isLearner),
    String(status.raftTerm),
    String(status.raftIndex),
    String(status.raftAppliedIndex),
    status.errors.join(', '),
    status.downgradeInfo?.targetVersion ?? '',
    String(status.downgradeInfo?.enabled ?? false),
  ];
}

function statusJson(
  endpoint: string,
  {
    header,
    version,
    dbSize,
    leader,
    raftIndex,
    raftTerm,
    raftAppliedIndex,
    dbSizeInUse,
    isLearner,
    errors,
  }: StatusResponse,
): string {
  const fields = {
    header: headerJson(header),
    version,
    dbSize,
    leader,
    raftIndex,
    raftTerm,
    raftAppliedIndex,
    dbSizeInUse,
    isLearner,
    errors,
  };
  return goJson({ Endpoint: endpoint, Status: fields });
}

/** As Go's humanize prints bytes. */
function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit] ?? ''}`;
}

interface Health {
  readonly endpoint: string;
  readonly took: string;
  readonly error: string;
}

async function health(program: Command, cluster: boolean): Promise<void> {
  const { writeOut } = globalOf(program);
  const all = await Promise.all(
    (await chosenClients(program, cluster)).map(async ({ endpoint, client }): Promise<Health> => {
      const started = performance.now();
      const took = (): string => `${(performance.now() - started).toFixed(6)}ms`;
      try {
        await client.range({ key: Buffer.from('health') });
        return { endpoint, took: took(), error: '' };
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        // The answer came, and a user without rights is an answer too.
        return { endpoint, took: took(), error: /permission denied/.test(message) ? '' : message };
      } finally {
        client.close();
      }
    }),
  );
  if (writeOut === 'json') {
    say(
      `${JSON.stringify(all.map(({ endpoint, took, error }) => ({ endpoint, health: error === '', took, ...(error === '' ? {} : { error }) })))}\n`,
    );
  } else if (writeOut === 'table') {
    say(
      table(
        ['ENDPOINT', 'HEALTH', 'TOOK', 'ERROR'],
        all.map(({ endpoint, took, error }) => [endpoint, String(error === ''), took, error]),
      ),
    );
  } else {
    for (const { endpoint, took, error } of all) {
      if (error === '') say(`${endpoint} is healthy: successfully committed proposal: took = ${took}\n`);
      else process.stderr.write(`${endpoint} is unhealthy: failed to commit proposal: ${error}\n`);
    }
  }
  if (all.some(({ error }) => error !== '')) throw new Failure('unhealthy cluster', ExitCode.INTERRUPTED);
}

async function memberList(program: Command, linearizable: boolean): Promise<void> {
  const global = globalOf(program);
  const { header, members } = await withClient(global, (client) => client.memberList(linearizable));
  if (global.writeOut === 'json') {
    const list = members.map(({ ID, name, peerURLs, clientURLs, isLearner }) => ({
      ID,
      name,
      peerURLs,
      clientURLs,
      isLearner,
    }));
    say(`${goJson({ header: headerJson(header), members: list })}\n`);
    return;
  }
  const rows = members.map(({ ID, name, peerURLs, clientURLs, isLearner }) => {
    const state = name === '' ? 'unstarted' : 'started';
    return [ID.toString(16), state, name, peerURLs.join(','), clientURLs.join(','), String(isLearner)];
  });
  if (global.writeOut === 'table')
    say(table(['ID', 'STATUS', 'NAME', 'PEER ADDRS', 'CLIENT ADDRS', 'IS LEARNER'], rows));
  else say(rows.map((row) => `${row.join(', ')}\n`).join(''));
}
