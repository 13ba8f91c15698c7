import { prefixEnd } from '../../libs/client';
import type { CompareInput, RequestOpInput, TxnRequestInput } from '../../proto/gen/etcdserverpb';
import { ExitCode, Failure } from './failure';

const RESULTS: Readonly<Record<string, number>> = { '=': 0, '>': 1, '<': 2, '!=': 3 };
const COMPARE = /^(\w+)\(\s*("(?:[^"\\]|\\.)*"|[^)]*?)\s*\)\s*(=|!=|>|<)\s*(.*)$/;

/** etcdctl's transactions: compares, a blank line, operations on success, a blank line, operations on failure. */
export function parseTxn(input: string): TxnRequestInput {
  const parts: string[][] = [[]];
  for (const line of input.split('\n')) {
    if (line.trim() !== '') parts.at(-1)?.push(line.trim());
    else if (parts.length < 3) parts.push([]);
  }
  const [compares = [], success = [], failure = []] = parts;
  return { compare: compares.map(parseCompare), success: success.map(parseOp), failure: failure.map(parseOp) };
}

export function parseCompare(line: string): CompareInput {
  const [, target = '', key = '', sign = '', operand = ''] = COMPARE.exec(line) ?? [];
  const result = RESULTS[sign];
  if (result === undefined) throw invalid(`malformed comparison: ${line}`);
  const common = { key: unquote(key), result };
  const value = unquote(operand).toString();
  if (target === 'ver' || target === 'version') return { ...common, target: 0, version: integer(value, line) };
  if (target === 'c' || target === 'create') return { ...common, target: 1, createRevision: integer(value, line) };
  if (target === 'm' || target === 'mod') return { ...common, target: 2, modRevision: integer(value, line) };
  if (target === 'val' || target === 'value') return { ...common, target: 3, value: unquote(operand) };
  if (target === 'lease') return { ...common, target: 4, lease: BigInt(`0x${value}`) };
  throw invalid(`malformed comparison: ${line} (unknown target ${target})`);
}

export function parseOp(line: string): RequestOpInput {
  const [name = '', ...words] = splitWords(line);
  const flags = words.filter((word) => word.startsWith('--'));
  const [key, second] = words.filter((word) => !word.startsWith('--')).map((word) => Buffer.from(word));
  if (key === undefined) throw invalid(`missing key in txn request: ${line}`);
  const range = flags.includes('--prefix')
    ? { rangeEnd: prefixEnd(key) }
    : second === undefined
      ? {}
      : { rangeEnd: second };
  const prevKv = flags.includes('--prev-kv');
  if (name === 'put') {
    if (second === undefined) throw invalid(`put command needs a value: ${line}`);
    const lease = flags.find((flag) => flag.startsWith('--lease='))?.slice(8);
    return {
      requestPut: { key, value: second, prevKv, ...(lease === undefined ? {} : { lease: BigInt(`0x${lease}`) }) },
    };
  }
  if (name === 'get') return { requestRange: { key, ...range } };
  if (name === 'del') return { requestDeleteRange: { key, ...range, prevKv } };
  throw invalid(`unknown txn request: ${line}`);
}

/** Words, quoted ones as Go writes strings. */
export function splitWords(line: string): string[] {
  return [...line.matchAll(/"(?:[^"\\]|\\.)*"|'[^']*'|\S+/g)].map(([word]) => unquote(word).toString());
}

function unquote(word: string): Buffer {
  if (word.startsWith('"')) {
    try {
      return Buffer.from(JSON.parse(word) as string);
    } catch {
      throw invalid(`malformed string: ${word}`);
    }
  }
  return Buffer.from(word.startsWith("'") && word.endsWith("'") ? word.slice(1, -1) : word);
}

function integer(value: string, line: string): bigint {
  if (!/^-?\d+$/.test(value)) throw invalid(`malformed comparison: ${line}`);
  return BigInt(value);
}

function invalid(message: string): Failure {
  return new Failure(message, ExitCode.INVALID_INPUT);
}
