import type { FileStatus } from '../../libs/etcd-file';
import type { HashKvResult } from '../../libs/mvcc';
import { ExitCode, Failure } from './failure';

/** What a command shows, in the forms of etcd's tools. */
interface Shown {
  readonly header: readonly string[];
  readonly row: readonly string[];
  readonly fields: ReadonlyArray<readonly [name: string, value: string | number]>;
  readonly json: object;
}

/** Throws Failure for a format that there is not. */
export function printStatus(status: FileStatus, format: string): string {
  const { hash, revision, totalKey, totalSize, version } = status;
  return print(format, {
    header: ['hash', 'revision', 'total keys', 'total size', 'version'],
    row: [hash.toString(16), String(revision), String(totalKey), humanBytes(totalSize), version],
    fields: [
      ['Hash', hash],
      ['Revision', revision],
      ['Keys', totalKey],
      ['Size', totalSize],
      ['Version', version],
    ],
    json: { hash, revision, totalKey, totalSize, version },
  });
}

export function printHashKv({ hash, hashRevision, compactRevision }: HashKvResult, format: string): string {
  return print(format, {
    header: ['hash', 'hash revision', 'compact revision'],
    row: [hash, hashRevision, compactRevision].map(String),
    fields: [
      ['Hash', hash],
      ['Hash revision', hashRevision],
      ['Compact revision', compactRevision],
    ],
    json: { hash, hashRevision, compactRevision },
  });
}

/** Before the work, so that a long command does not end in a typing error. */
export function checkFormat(format: string): void {
  if (format === 'protobuf') throw new Failure('protobuf not supported as output format', ExitCode.BAD_FEATURE);
  if (!['simple', 'json', 'fields', 'table'].includes(format))
    throw new Failure('unsupported output format', ExitCode.BAD_FEATURE);
}

function print(format: string, { header, row, fields, json }: Shown): string {
  if (format === 'json') return JSON.stringify(json);
  if (format === 'fields') return fields.map(([name, value]) => `"${name}" : ${value}`).join('\n');
  return format === 'table' ? table(header, row) : row.join(', ');
}

/** Headers are centred, cells stand to the right. */
function table(header: readonly string[], row: readonly string[]): string {
  const widths = header.map((title, at) => Math.max(title.length, row[at]?.length ?? 0));
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const line = (cells: readonly string[], pad: (text: string, width: number) => string): string =>
    `|${cells.map((cell, at) => ` ${pad(cell, widths[at] ?? 0)} `).join('|')}|`;
  const centre = (text: string, width: number): string =>
    text.padStart(text.length + Math.floor((width - text.length) / 2)).padEnd(width);
  const titles = header.map((title) => title.toUpperCase());
  return [rule, line(titles, centre), rule, line(row, (text, width) => text.padStart(width)), rule].join('\n');
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Powers of 1000, one decimal below 10, as `20 kB` and `1.5 GB`. */
export function humanBytes(bytes: number): string {
  if (bytes < 10) return `${bytes} B`;
  let unit = 0;
  let scale = 1;
  while (bytes / scale >= 1000 && unit < UNITS.length - 1) {
    unit++;
    scale *= 1000;
  }
  const value = Math.floor((bytes / scale) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : halfToEven(value)} ${UNITS[unit] ?? ''}`;
}

/** Go's rounding, as in the tools whose output this is. */
function halfToEven(value: number): number {
  const whole = Math.floor(value);
  return value - whole === 0.5 ? whole + (whole % 2) : Math.round(value);
}
