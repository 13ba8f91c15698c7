import type { BenchCase } from './cases';
import { type Measurement, type Medians, mediansOf } from './measurement';
import type { ServerKind } from './servers';
import { checksOf, COST, costChecks, type Row } from './targets';

export function rowsOf(cases: readonly BenchCase[], measurements: readonly Measurement[]): Row[] {
  const of = (name: string, server: ServerKind): Medians | undefined => {
    const own = measurements.filter((m) => m.case === name && m.server === server);
    return own.length === 0 ? undefined : mediansOf(own);
  };
  const rows: Row[] = [];
  for (const bench of cases) {
    const hexad = of(bench.name, 'hexad');
    if (hexad === undefined) continue;
    const etcd = of(bench.name, 'etcd');
    const checks = [...checksOf(bench, hexad, etcd, (name) => of(name, 'hexad')), ...costChecks(bench, measurements)];
    rows.push({ case: bench.name, hexad, etcd, checks });
  }
  return rows;
}

const number = (value: number | undefined, digits: number): string =>
  value === undefined ? '–' : value.toFixed(digits);

/** Columns as wide as their widest cell; the first is flush left, the others right. */
export function columns(lines: ReadonlyArray<readonly string[]>): string {
  const count = Math.max(0, ...lines.map((line) => line.length));
  const widths = Array.from({ length: count }, (_, at) => Math.max(...lines.map((line) => (line[at] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Medians and ratios of all cases. */
export function table(rows: readonly Row[]): string {
  const pair = (row: Row, of: (m: Medians) => number, digits: number): string[] => [
    number(of(row.hexad), digits),
    number(row.etcd && of(row.etcd), digits),
  ];
  const ratio = ({ hexad, etcd }: Row, of: (m: Medians) => number): string => number(etcd && of(hexad) / of(etcd), 2);
  const lines = rows.map((row) => [
    row.case,
    ...pair(row, (m) => m.perSecond, 0),
    ratio(row, (m) => m.perSecond),
    ...pair(row, (m) => m.p50, 2),
    ratio(row, (m) => m.p50),
    ...pair(row, (m) => m.p99, 2),
    ratio(row, (m) => m.p99),
    ...pair(row, (m) => m.cpuMicros, 1),
    ...pair(row, (m) => m.peakAnonymousMb, 0),
    number(row.hexad.generatorMicros, 1),
    row.checks.every(({ ok }) => ok) ? 'ok' : 'MISSED',
  ]);
  const head = ['case', 'ops/s', 'etcd', 'ratio', 'p50 ms', 'etcd', 'ratio', 'p99 ms', 'etcd', 'ratio'];
  return columns([[...head, 'CPU µs/op', 'etcd', 'peak MB', 'etcd', 'generator µs/op', 'targets'], ...lines]);
}

/** CPU seconds per million operations of each process. */
export function cpuTable(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ case: name, hexad, etcd }) =>
    [hexad, etcd].flatMap((medians) =>
      Object.entries(medians?.cpuByProcess ?? {}).map(([process, micros]) => [`${name} ${process}`, micros.toFixed(1)]),
    ),
  );
  return columns([['CPU seconds per million operations', ''], ...lines]);
}

/** Figures that only some cases have, and errors. */
export function notes(rows: readonly Row[]): string[] {
  return rows.flatMap(({ case: name, hexad, etcd, checks }) => [
    ...checks
      .filter(({ subject }) => subject === COST)
      .map(({ reached }) => `${name} hexad: ${COST} ${reached.toFixed(4)}`),
    ...(
      [
        ['hexad', hexad],
        ['etcd', etcd],
      ] as const
    ).flatMap(([server, medians]) => [
      ...Object.entries(medians?.extra ?? {}).map(([what, value]) => `${name} ${server}: ${what} ${value.toFixed(1)}`),
      ...Object.entries(medians?.errors ?? {}).map(([text, count]) => `${name} ${server}: ${count} × "${text}"`),
    ]),
  ]);
}

/** One line for one measurement, as it is made. */
export function progressLine(m: Measurement): string {
  const cpu = Object.entries(m.cpuByProcess)
    .map(([name, micros]) => `${name} ${micros.toFixed(1)}`)
    .join(', ');
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  const errors = Object.keys(m.errors).length === 0 ? '' : `; errors ${JSON.stringify(m.errors)}`;
  return (
    `round ${m.round} ${m.case} ${m.server}: ${m.perSecond.toFixed(0)}/s, p50 ${m.p50.toFixed(2)} p99 ${m.p99.toFixed(2)} ms, ` +
    `CPU ${m.cpuMicros.toFixed(1)} µs/op (${cpu}), generator ${m.generatorMicros.toFixed(1)}, peak ${m.peakAnonymousMb.toFixed(0)} MB, ` +
    `stolen ${percent(m.stolenShare)}, others ${percent(m.othersShare)}${errors}`
  );
}
