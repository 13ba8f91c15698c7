import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { type Client, prefixEnd } from '../../libs/client';
import type { RangeRequestInput, ResponseOp, TxnResponse } from '../../proto/gen/etcdserverpb';
import { ExitCode, Failure } from './failure';
import { goJson, headerJson, kvJson, say, sayKeyValue } from './output';
import { type Global, globalOf, withClient } from './session';
import { parseTxn } from './txn-text';
import { timingWaterfall } from './waterfall';

interface GetFlags {
  readonly consistency: string;
  readonly order?: string;
  readonly sortBy?: string;
  readonly limit: number;
  readonly prefix?: boolean;
  readonly fromKey?: boolean;
  readonly rev: number;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  readonly printValueOnly?: boolean;
  readonly minModRev: number;
  readonly maxModRev: number;
  readonly minCreateRev: number;
  readonly maxCreateRev: number;
}

const ORDERS = ['', 'ASCEND', 'DESCEND'];
const TARGETS = ['KEY', 'VERSION', 'CREATE', 'MODIFY', 'VALUE'];
const NO_BYTES = new Uint8Array(0);

/** put, get, del, txn and watch, with etcdctl's flags and output. */
export function addKeyCommands(program: Command): void {
  program
    .command('get <key> [range_end]')
    .description('Gets the key or a range of keys')
    .option('--consistency <c>', 'Linearizable(l) or Serializable(s)', 'l')
    .option('--order <order>', 'order of results; ASCEND or DESCEND')
    .option('--sort-by <target>', 'sort target; CREATE, KEY, MODIFY, VALUE, or VERSION')
    .option('--limit <n>', 'maximum number of results', integer, 0)
    .option('--prefix', 'get keys with matching prefix')
    .option('--from-key', 'get keys that are greater than or equal to the given key')
    .option('--rev <revision>', 'the kv revision', integer, 0)
    .option('--keys-only', 'get only the keys')
    .option('--count-only', 'get only the count')
    .option('--print-value-only', 'print only the values')
    .option('--min-mod-rev <revision>', 'minimum modification revision', integer, 0)
    .option('--max-mod-rev <revision>', 'maximum modification revision', integer, 0)
    .option('--min-create-rev <revision>', 'minimum creation revision', integer, 0)
    .option('--max-create-rev <revision>', 'maximum creation revision', integer, 0)
    .action((key: string, end: string | undefined, flags: GetFlags) =>
      timed(program, (client, global) => get(client, global, key, end, flags)),
    );
  program
    .command('put <key> [value]')
    .description('Puts the given key into the store; the value is read from standard input when it is not given')
    .option('--lease <id>', 'lease ID (in hexadecimal) to attach to the key', '0')
    .option('--prev-kv', 'return the previous key-value pair before modification')
    .option('--ignore-value', 'updates the key using its current value')
    .option('--ignore-lease', 'updates the key using its current lease')
    .action((key: string, value: string | undefined, flags: PutFlags) =>
      timed(program, (client, global) => put(client, global, key, value, flags)),
    );
  program
    .command('del <key> [range_end]')
    .description('Removes the specified key or range of keys [key, range_end)')
    .option('--prefix', 'delete keys with matching prefix')
    .option('--from-key', 'delete keys that are greater than or equal to the given key')
    .option('--prev-kv', 'return deleted key-value pairs')
    .action((key: string, end: string | undefined, flags: DelFlags) =>
      timed(program, (client, global) => del(client, global, key, end, flags)),
    );
  program
    .command('txn')
    .description('Txn processes all the requests in one transaction, read from standard input')
    .action(() =>
      timed(program, async (client, global) => sayTxn(await client.txn(parseTxn(readFileSync(0, 'utf8'))), global)),
    );
  program
    .command('watch <key> [range_end]')
    .description('Watches events stream on keys or prefixes')
    .option('--prefix', 'watch on a prefix')
    .option('--rev <revision>', 'revision to start watching', integer, 0)
    .option('--prev-kv', 'get the previous key-value pair before the event happens')
    .option('--progress-notify', 'get periodic watch progress notification from server')
    .action((key: string, end: string | undefined, flags: WatchFlags) =>
      withClient(globalOf(program), (client) => watch(client, globalOf(program), key, end, flags)),
    );
}

interface PutFlags {
  readonly lease: string;
  readonly prevKv?: boolean;
  readonly ignoreValue?: boolean;
  readonly ignoreLease?: boolean;
}
interface DelFlags {
  readonly prefix?: boolean;
  readonly fromKey?: boolean;
  readonly prevKv?: boolean;
}
interface WatchFlags {
  readonly prefix?: boolean;
  readonly rev: number;
  readonly prevKv?: boolean;
  readonly progressNotify?: boolean;
}

/** Prints the waterfall behind the answer, on standard error, when --timing asks for it. */
async function timed(program: Command, run: (client: Client, global: Global) => Promise<void>): Promise<void> {
  const global = globalOf(program);
  if (global.writeOut === 'table') throw new Failure('table not supported as output format', ExitCode.BAD_FEATURE);
  await withClient(global, async (client) => {
    try {
      await run(client, global);
    } finally {
      if (client.lastTiming !== '')
        process.stderr.write(`${client.lastRequestId}\n${timingWaterfall(client.lastTiming)}`);
    }
  });
}

function rangeOf(
  key: string,
  end: string | undefined,
  flags: { readonly prefix?: boolean; readonly fromKey?: boolean },
): { key: Uint8Array; rangeEnd: Uint8Array } {
  if (flags.prefix === true && flags.fromKey === true) {
    throw new Failure('`--prefix` and `--from-key` cannot be set at the same time, choose one', ExitCode.BAD_ARGS);
  }
  const start = Buffer.from(key);
  if (end !== undefined && (flags.prefix === true || flags.fromKey === true)) {
    throw new Failure(
      'too many arguments, only accept one argument when `--prefix` or `--from-key` is set',
      ExitCode.BAD_ARGS,
    );
  }
  if (flags.prefix === true)
    return start.length === 0
      ? { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) }
      : { key: start, rangeEnd: prefixEnd(start) };
  if (flags.fromKey === true) return { key: start.length === 0 ? Uint8Array.of(0) : start, rangeEnd: Uint8Array.of(0) };
  return { key: start, rangeEnd: end === undefined ? NO_BYTES : Buffer.from(end) };
}

async function get(
  client: Client,
  global: Global,
  key: string,
  end: string | undefined,
  flags: GetFlags,
): Promise<void> {
  if (flags.consistency !== 'l' && flags.consistency !== 's') {
    throw new Failure(`unknown consistency flag "${flags.consistency}"`, ExitCode.BAD_FEATURE);
  }
  const sortOrder = ORDERS.indexOf((flags.order ?? '').toUpperCase());
  const sortTarget = TARGETS.indexOf((flags.sortBy ?? 'KEY').toUpperCase());
  if (sortOrder < 0) throw new Failure(`bad sort order ${flags.order}`, ExitCode.BAD_FEATURE);
  if (sortTarget < 0) throw new Failure(`bad sort target ${flags.sortBy}`, ExitCode.BAD_FEATURE);
  const request: RangeRequestInput = {
    ...rangeOf(key, end, flags),
    limit: flags.limit,
    revision: flags.rev,
    sortOrder,
    sortTarget,
    serializable: flags.consistency === 's',
    keysOnly: flags.keysOnly,
    countOnly: flags.countOnly,
    minModRevision: flags.minModRev,
    maxModRevision: flags.maxModRev,
    minCreateRevision: flags.minCreateRev,
    maxCreateRevision: flags.maxCreateRev,
  };
  const { header, kvs, more, count } = await client.range(request);
  if (global.writeOut === 'json') {
    say(`${goJson({ header: headerJson(header), kvs: kvs.map(kvJson), more, count })}\n`);
    return;
  }
  for (const kv of kvs) sayKeyValue(kv, global.hex, flags.printValueOnly);
}

async function put(
  client: Client,
  global: Global,
  key: string,
  value: string | undefined,
  flags: PutFlags,
): Promise<void> {
  if (!/^[0-9a-f]+$/i.test(flags.lease))
    throw new Failure(`bad lease ID (${flags.lease}), expecting ID in Hex`, ExitCode.BAD_ARGS);
  const given = value === undefined && flags.ignoreValue !== true ? readFileSync(0) : Buffer.from(value ?? '');
  const { header, prevKv } = await client.put({
    key: Buffer.from(key),
    value: given,
    lease: BigInt(`0x${flags.lease}`),
    prevKv: flags.prevKv,
    ignoreValue: flags.ignoreValue,
    ignoreLease: flags.ignoreLease,
  });
  if (global.writeOut === 'json') say(`${goJson({ header: headerJson(header), prev_kv: kvJson(prevKv) })}\n`);
  else {
    say('OK\n');
    sayKeyValue(prevKv, global.hex);
  }
}

async function del(
  client: Client,
  global: Global,
  key: string,
  end: string | undefined,
  flags: DelFlags,
): Promise<void> {
  const { header, deleted, prevKvs } = await client.deleteRange({ ...rangeOf(key, end, flags), prevKv: flags.prevKv });
  if (global.writeOut === 'json') {
    say(`${goJson({ header: headerJson(header), deleted, prev_kvs: prevKvs.map(kvJson) })}\n`);
    return;
  }
  say(`${String(deleted)}\n`);
  for (const kv of prevKvs) sayKeyValue(kv, global.hex);
}

function sayTxn({ header, succeeded, responses }: TxnResponse, { writeOut, hex }: Global): void {
  if (writeOut === 'json') {
    say(`${goJson({ header: headerJson(header), succeeded, responses: responses.map(opJson) })}\n`);
    return;
  }
  say(succeeded ? 'SUCCESS\n' : 'FAILURE\n');
  for (const response of responses) {
    say('\n');
    const { responseRange, responsePut, responseDeleteRange } = response;
    for (const kv of responseRange?.kvs ?? []) sayKeyValue(kv, hex);
    if (responsePut !== undefined) {
      say('OK\n');
      sayKeyValue(responsePut.prevKv, hex);
    }
    if (responseDeleteRange !== undefined) {
      say(`${String(responseDeleteRange.deleted)}\n`);
      for (const kv of responseDeleteRange.prevKvs) sayKeyValue(kv, hex);
    }
  }
}

function opJson({ responseRange, responsePut, responseDeleteRange }: ResponseOp): object {
  const range = responseRange && {
    header: headerJson(responseRange.header),
    kvs: responseRange.kvs.map(kvJson),
    count: responseRange.count,
  };
  const putted = responsePut && { header: headerJson(responsePut.header), prev_kv: kvJson(responsePut.prevKv) };
  const deleted = responseDeleteRange && {
    header: headerJson(responseDeleteRange.header),
    deleted: responseDeleteRange.deleted,
  };
  return { Response: { response_range: range, response_put: putted, response_delete_range: deleted } };
}

async function watch(
  client: Client,
  global: Global,
  key: string,
  end: string | undefined,
  flags: WatchFlags,
): Promise<void> {
  const { hex } = global;
  const request = {
    ...rangeOf(key, end, flags),
    startRevision: flags.rev,
    prevKv: flags.prevKv,
    progressNotify: flags.progressNotify,
  };
  await new Promise<void>((resolve, reject) => {
    const started = client.watch(
      request,
      ({ events, canceled, cancelReason }) => {
        if (canceled) reject(new Failure(`watch is canceled by the server (${cancelReason})`));
        for (const { type, kv, prevKv } of events) {
          say(type === 0 ? 'PUT\n' : 'DELETE\n');
          sayKeyValue(prevKv, hex);
          sayKeyValue(kv, hex);
        }
      },
      (error) => (error === undefined ? resolve() : reject(error)),
    );
    started.then((cancel) => process.once('SIGINT', cancel), reject);
  });
}

export function integer(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('not a number');
  return Number(value);
}
