import type { BenchCase } from './cases';
import type { ServerKind } from './servers';

/** One case on one server in one round. */
export interface Measurement {
  readonly case: string;
  readonly server: ServerKind;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMicros: number;
  readonly cpuByProcess: Readonly<Record<string, number>>;
  readonly anonymousKb: number;
  readonly errors: Readonly<Record<string, number>>;
}

export interface Row {
  readonly case: string;
  readonly hexad: Medians;
  readonly etcd: Medians | undefined;
  readonly missed: readonly string[];
}

export interface Medians {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMicros: number;
  readonly cpuByProcess: Readonly<Record<string, number>>;
  readonly anonymousMb: number;
  readonly errors: number;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? 0)) / 2;
}

function medians(of: readonly Measurement[]): Medians {
  const names = [...new Set(of.flatMap(({ cpuByProcess }) => Object.keys(cpuByProcess)))];
  return {
    perSecond: median(of.map(({ perSecond }) => perSecond)),
    p50: median(of.map(({ p50 }) => p50)),
    p99: median(of.map(({ p99 }) => p99)),
    cpuMicros: median(of.map(({ cpuMicros }) => cpuMicros)),
    cpuByProcess: Object.fromEntries(
      names.map((name) => [name, median(of.map(({ cpuByProcess }) => cpuByProcess[name] ?? 0))]),
    ),
    anonymousMb: median(of.map(({ anonymousKb }) => anonymousKb)) / 1_024,
    errors: of.reduce((sum, { errors }) => sum + Object.values(errors).reduce((a, b) => a + b, 0), 0),
  };
}

export function rows(cases: readonly BenchCase[], measurements: readonly Measurement[]): Row[] {
  return cases.map((bench) => {
    const of = (server: ServerKind): Measurement[] =>
      measurements.filter((m) => m.case === bench.name && m.server === server);
    const hexad = medians(of('hexad'));
    const etcd = of('etcd').length > 0 ? medians(of('etcd')) : undefined;
    return { case: bench.name, hexad, etcd, missed: missedTargets(bench, hexad, etcd) };
  });
}

function missedTargets({ target }: BenchCase, hexad: Medians, etcd: Medians | undefined): string[] {
  const missed: string[] = [];
  if (hexad.errors > 0) missed.push(`${hexad.errors} errors`);
  if (target.cpuMicros !== undefined && hexad.cpuMicros > target.cpuMicros)
    missed.push(`CPU ${hexad.cpuMicros.toFixed(0)} µs > ${target.cpuMicros}`);
  if (etcd === undefined) return missed;
  const ratio = (key: 'perSecond' | 'p50' | 'p99'): number => hexad[key] / etcd[key];
  if (target.throughput !== undefined && ratio('perSecond') < target.throughput)
    missed.push(`throughput ${ratio('perSecond').toFixed(2)} < ${target.throughput}`);
  if (target.p50 !== undefined && ratio('p50') > target.p50)
    missed.push(`p50 ${ratio('p50').toFixed(2)} > ${target.p50}`);
  if (target.p99 !== undefined && ratio('p99') > target.p99)
    missed.push(`p99 ${ratio('p99').toFixed(2)} > ${target.p99}`);
  return missed;
}

export function table(list: readonly Row[]): string {
  const cell = (value: number | undefined, digits: number): string =>
    value === undefined ? '–' : value.toFixed(digits);
  const lines = list.map(({ case: name, hexad, etcd, missed }) => [
    name,
    cell(hexad.perSecond, 0),
    cell(etcd?.perSecond, 0),
    cell(etcd === undefined ? undefined : hexad.perSecond / etcd.perSecond, 2),
    cell(hexad.p50, 2),
    cell(etcd?.p50, 2),
    cell(hexad.p99, 2),
    cell(etcd?.p99, 2),
    cell(hexad.cpuMicros, 1),
    cell(etcd?.cpuMicros, 1),
    cell(hexad.anonymousMb, 0),
    cell(etcd?.anonymousMb, 0),
    missed.join('; ') || 'ok',
  ]);
  const head = [
    'case',
    'ops/s',
    'etcd',
    'ratio',
    'p50 ms',
    'etcd',
    'p99 ms',
    'etcd',
    'CPU µs/op',
    'etcd',
    'MB',
    'etcd',
    'targets',
  ];
  const widths = head.map((title, at) => Math.max(title.length, ...lines.map((line) => (line[at] ?? '').length)));
  return [head, ...lines]
    .map((line) =>
      line
        .map((text, at) => text.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Bars of throughput relative to etcd (1 = the dashed line). */
export function chart(list: readonly Row[]): string {
  const bars = list.filter(({ etcd }) => etcd !== undefined);
  const ratios = bars.map(({ hexad, etcd }) => hexad.perSecond / (etcd?.perSecond ?? 1));
  const scale = 420 / Math.max(2, ...ratios);
  const height = 40 + bars.length * 26;
  const rowsOf = bars.map(({ case: name }, at) => {
    const ratio = ratios[at] ?? 0;
    const y = 30 + at * 26;
    return `<text x="8" y="${y + 14}">${name}</text><rect x="240" y="${y}" width="${(ratio * scale).toFixed(1)}" height="18" fill="#3b7dd8"/><text x="${(246 + ratio * scale).toFixed(1)}" y="${y + 14}">${ratio.toFixed(2)} ×</text>`;
  });
  const one = (240 + scale).toFixed(1);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${height}" font-family="sans-serif" font-size="13"><text x="8" y="18">Throughput of Hexad relative to etcd in the same run</text>${rowsOf.join('')}<line x1="${one}" x2="${one}" y1="24" y2="${height}" stroke="#888" stroke-dasharray="4"/></svg>\n`;
}
