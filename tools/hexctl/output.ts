import type { KeyValue } from '../../proto/gen/mvccpb';
import type { ResponseHeader } from '../../proto/gen/etcdserverpb';

export function say(text: string | Uint8Array): void {
  process.stdout.write(text);
}

/** Keys and values are bytes: they are printed as they are, or as \xNN with --hex. */
export function text(bytes: Uint8Array, hex: boolean | undefined): Buffer {
  if (hex !== true) return Buffer.from(bytes);
  return Buffer.from([...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''));
}

export function sayKeyValue(kv: KeyValue | undefined, hex: boolean | undefined, valueOnly = false): void {
  if (kv === undefined) return;
  if (!valueOnly) say(Buffer.concat([text(kv.key, hex), Buffer.from('\n')]));
  say(Buffer.concat([text(kv.value, hex), Buffer.from('\n')]));
}

/** As Go's encoding/json writes etcd's messages: 64-bit integers as numbers, bytes as base64, zero values left out. */
export function goJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => !isZero(field));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${goJson(field)}`).join(',')}}`;
}

function isZero(value: unknown): boolean {
  if (value === undefined || value === 0 || value === 0n || value === '' || value === false) return true;
  return (value instanceof Uint8Array || Array.isArray(value)) && value.length === 0;
}

export function headerJson(header: ResponseHeader | undefined): object {
  if (header === undefined) return {};
  const { clusterId, memberId, revision, raftTerm } = header;
  return { cluster_id: clusterId, member_id: memberId, revision, raft_term: raftTerm };
}

export function kvJson(kv: KeyValue | undefined): object | undefined {
  if (kv === undefined) return undefined;
  const { key, createRevision, modRevision, version, value, lease } = kv;
  return { key, create_revision: createRevision, mod_revision: modRevision, version, value, lease };
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => (row[at] ?? '').length)));
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+\n`;
  const center = (cell: string, width: number): string => {
    const left = Math.floor((width - cell.length) / 2);
    return ' '.repeat(left) + cell + ' '.repeat(width - cell.length - left);
  };
  const line = (row: readonly string[], pad: (cell: string, width: number) => string): string =>
    `|${row.map((cell, at) => ` ${pad(cell, widths[at] ?? 0)} `).join('|')}|\n`;
  const body = rows.map((row) => line(row, (cell, width) => cell.padStart(width))).join('');
  return rule + line(head, center) + rule + body + rule;
}
