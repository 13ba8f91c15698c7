import type { Kv, Operation, Outcome, Request, Result, TxnOperation } from './types';

const TEXT_MAX = 40;

/** Operations as lines, in order of their calls. */
export function formatOperations(operations: readonly Operation[]): string {
  const unique = [...new Set(operations)].sort((a, b) => a.call - b.call);
  return unique.map(formatOperation).join('\n');
}

export function formatOperation({ id, client, call, return: end, request, outcome }: Operation): string {
  const times = `[${call.toFixed(3)} – ${end === Infinity ? '?' : end.toFixed(3)}]`;
  return `  #${id} ${client} ${times}  ${formatRequest(request)} → ${formatOutcome(outcome)}`;
}

function formatRequest(request: Request): string {
  if (request.kind === 'compact') return `compact ${request.revision}`;
  if (request.kind === 'revoke') return `revoke lease ${request.lease}`;
  if (request.kind !== 'txn') return formatSimple(request);
  const compares = request.compares.map(
    ({ key, target, relation, operand }) => `${target}(${short(key)}) ${relation} ${short(String(operand))}`,
  );
  const branch = (list: readonly TxnOperation[]): string => list.map(formatSimple).join('; ');
  return `txn if ${compares.join(' and ') || 'true'} then ${branch(request.success)} else ${branch(request.failure)}`;
}

function formatSimple(request: TxnOperation): string {
  if (request.kind === 'put') {
    return `put ${short(request.key)} = ${short(request.value)}${request.lease === undefined ? '' : ` lease ${request.lease}`}`;
  }
  const range = request.end === undefined ? short(request.key) : `[${short(request.key)}, ${short(request.end)})`;
  if (request.kind === 'delete') return `delete ${range}`;
  const at = request.revision === undefined ? '' : ` at revision ${request.revision}`;
  return `${request.serializable === true ? 'serializable ' : ''}get ${range}${at}`;
}

function formatOutcome(outcome: Outcome): string {
  if (outcome.kind !== 'ok') return outcome.kind === 'unknown' ? 'unknown' : `refused: ${outcome.kind}`;
  return `revision ${outcome.revision}${formatResult(outcome.result)}`;
}

export function formatResult(result: Result, keys?: readonly string[]): string {
  if (result.kind === 'done') return '';
  if (result.kind === 'txn') {
    return `, ${result.succeeded ? 'succeeded' : 'not succeeded'}${result.results.map((one) => formatResult(one, keys)).join('')}`;
  }
  if (result.kind === 'put') return result.prev === undefined ? '' : `, before: ${formatKv(result.prev)}`;
  const kvs = result.kind === 'range' ? result.kvs : (result.prevs ?? []);
  const shown = keys === undefined ? kvs : kvs.filter(({ key }) => keys.includes(key));
  const list = shown.slice(0, 4).map(formatKv).join(', ');
  const rest = kvs.length - Math.min(4, shown.length);
  const count = result.kind === 'range' ? `count ${result.count}` : `deleted ${result.deleted}`;
  return `, ${count}: ${list}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function formatKv({ key, value, create, mod, version, lease }: Kv): string {
  return `${short(key)} = ${short(value)} (mod ${mod}, create ${create}, version ${version}${lease === '' ? '' : `, lease ${lease}`})`;
}

function short(text: string): string {
  const printable = JSON.stringify(text).slice(1, -1);
  return printable.length <= TEXT_MAX ? printable : `${printable.slice(0, TEXT_MAX)}…`;
}
