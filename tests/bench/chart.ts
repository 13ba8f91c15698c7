import type { Medians } from './measurement';
import type { Row } from './targets';
import { escapeXml } from './xml';

const LABELS = 220;
const PANEL = 285;
const GAP = 20;
const ROW = 30;
const TOP = 96;
const WIDTH = LABELS + 4 * (PANEL + GAP);
/** Room right of a panel's scale for the text of its longest bar. */
const TEXT = 112;
const TICK_TEXT = 26;

interface Panel {
  readonly title: string;
  readonly higherIsBetter: boolean;
  readonly requirement: string;
  readonly of: (medians: Medians) => number;
  readonly format: (value: number) => string;
}

const count = (value: number): string => `${Math.round(value).toLocaleString('en-US')}/s`;
const milliseconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

const PANELS: readonly Panel[] = [
  {
    title: 'Throughput (more is better)',
    higherIsBetter: true,
    requirement: 'throughput / etcd',
    of: (m) => m.perSecond,
    format: count,
  },
  {
    title: 'p50 latency (less is better)',
    higherIsBetter: false,
    requirement: 'p50 / etcd',
    of: (m) => m.p50,
    format: milliseconds,
  },
  {
    title: 'p99 latency (less is better)',
    higherIsBetter: false,
    requirement: 'p99 / etcd',
    of: (m) => m.p99,
    format: milliseconds,
  },
  {
    title: 'CPU per operation (less is better)',
    higherIsBetter: false,
    requirement: '',
    of: (m) => m.cpuMicros,
    format: (value) => `${value.toFixed(value < 10 ? 1 : 0)} µs`,
  },
];

const BETTER = '#2f6fb5';
const WORSE = '#c8702a';
const REQUIRED = '#c0122b';

/**
 * Hexad relative to etcd, case by case: throughput, latencies and CPU on scales of powers of two, bars from 1 × to the
 * ratio, and a mark where a ratio is required. Without etcd: Hexad's throughput.
 */
export function chart(rows: readonly Row[], subtitle: string): string {
  const compared = rows.some(({ etcd }) => etcd !== undefined);
  const height = TOP + rows.length * ROW + 36;
  const labels = rows.map(
    (row, at) => `<text x="${LABELS - 10}" y="${rowY(at) + 18}" text-anchor="end">${escapeXml(row.case)}</text>`,
  );
  const stripes = rows.map((_, at) =>
    at % 2 === 0 ? `<rect x="0" y="${rowY(at)}" width="${WIDTH}" height="${ROW}" fill="#f6f7f9"/>` : '',
  );
  const panels = compared
    ? PANELS.map((panel, at) => ratioPanel(panel, rows, LABELS + at * (PANEL + GAP)))
    : [absolutePanel(rows, LABELS)];
  const title = compared ? 'Hexad relative to etcd in the same run' : 'Hexad';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13" fill="#222">
<rect width="100%" height="100%" fill="#fff"/>
<text x="16" y="26" font-size="18">${title}</text>
<text x="16" y="46" fill="#666">${escapeXml(subtitle)}</text>
${[...stripes, ...labels, ...panels, compared ? legend(rowY(rows.length)) : ''].join('\n')}
</svg>
`;
}

function rowY(at: number): number {
  return TOP + at * ROW;
}

function ratioPanel(panel: Panel, rows: readonly Row[], left: number): string {
  const ratios = rows.map(({ hexad, etcd }) => (etcd === undefined ? undefined : panel.of(hexad) / panel.of(etcd)));
  const shown = ratios.filter((ratio) => isDrawable(ratio));
  const limits = rows.map((row) => limitOf(row, panel.requirement));
  const scale = scaleOf([...shown, ...limits.filter((limit) => limit !== undefined)], left);
  const bottom = rowY(rows.length);
  const grid = scale.ticks.map(
    (tick) =>
      `<line x1="${scale.x(tick)}" x2="${scale.x(tick)}" y1="${TOP - 4}" y2="${bottom}" stroke="${tick === 1 ? '#555' : '#ddd'}"/>` +
      `<text x="${scale.x(tick)}" y="${TOP - 8}" text-anchor="middle" font-size="11" fill="#666">${tickText(tick)}</text>`,
  );
  const bars = rows.map((row, at) => ratioBar(panel, row, ratios[at], limits[at], scale, rowY(at)));
  return [`<text x="${left}" y="${TOP - 26}" font-weight="bold">${panel.title}</text>`, ...grid, ...bars].join('\n');
}

function legend(bottom: number): string {
  const entries = [
    [BETTER, 'better than etcd'],
    [WORSE, 'worse'],
    [REQUIRED, 'required'],
  ] as const;
  return entries
    .map(
      ([colour, text], at) =>
        `<rect x="${LABELS + at * 150}" y="${bottom + 12}" width="${colour === REQUIRED ? 3 : 14}" height="14" fill="${colour}"/>` +
        `<text x="${LABELS + at * 150 + 20}" y="${bottom + 24}" font-size="12">${text}</text>`,
    )
    .join('');
}

interface Scale {
  readonly ticks: readonly number[];
  /** Of a ratio, in pixels. */
  x(ratio: number): number;
}

function isDrawable(ratio: number | undefined): ratio is number {
  return ratio !== undefined && Number.isFinite(ratio) && ratio > 0;
}

/** From the power of two below all ratios (at most 1/2) to the one above (at least 2). */
function scaleOf(ratios: readonly number[], left: number): Scale {
  const low = Math.min(-1, ...ratios.map((ratio) => Math.floor(Math.log2(ratio))));
  const high = Math.max(1, ...ratios.map((ratio) => Math.ceil(Math.log2(ratio))));
  const width = (PANEL - TEXT) / (high - low);
  // Counted from 1, and only as many as their texts have room for.
  const step = Math.ceil(TICK_TEXT / width);
  const exponents = Array.from({ length: high - low + 1 }, (_, at) => low + at);
  const ticks = exponents.filter((exponent) => exponent % step === 0).map((exponent) => 2 ** exponent);
  return { ticks, x: (ratio) => Math.round((left + (Math.log2(ratio) - low) * width) * 10) / 10 };
}

function tickText(tick: number): string {
  return tick >= 1 ? `${tick}×` : `1/${1 / tick}`;
}

function ratioBar(
  { of, format, higherIsBetter }: Panel,
  { hexad, etcd }: Row,
  ratio: number | undefined,
  limit: number | undefined,
  scale: Scale,
  y: number,
): string {
  if (etcd === undefined || !isDrawable(ratio)) return '';
  const from = Math.min(scale.x(1), scale.x(ratio));
  const to = Math.max(scale.x(1), scale.x(ratio));
  const colour = ratio >= 1 === higherIsBetter ? BETTER : WORSE;
  const mark = limit === undefined ? '' : markAt(scale.x(limit), y);
  const textX = Math.max(to, limit === undefined ? 0 : scale.x(limit)) + 6;
  return (
    `<rect x="${from}" y="${y + 7}" width="${Math.max(1, to - from).toFixed(1)}" height="16" fill="${colour}"/>${mark}` +
    `<text x="${textX}" y="${y + 14}" font-size="12">${ratio.toFixed(2)} ×</text>` +
    `<text x="${textX}" y="${y + 26}" font-size="10" fill="#666">${format(of(hexad))} : ${format(of(etcd))}</text>`
  );
}

function markAt(x: number, y: number): string {
  return `<line x1="${x}" x2="${x}" y1="${y + 3}" y2="${y + 27}" stroke="${REQUIRED}" stroke-width="3"/>`;
}

/** What a check requires of a ratio; undefined: nothing. */
function limitOf(row: Row, what: string): number | undefined {
  return row.checks.find(({ subject }) => subject === what)?.limit;
}

function absolutePanel(rows: readonly Row[], left: number): string {
  const most = Math.max(1, ...rows.map(({ hexad }) => hexad.perSecond));
  const width = WIDTH - left - TEXT;
  const bars = rows.map(({ hexad }, at) => {
    const end = left + (hexad.perSecond / most) * width;
    return (
      `<rect x="${left}" y="${rowY(at) + 7}" width="${(end - left).toFixed(1)}" height="16" fill="${BETTER}"/>` +
      `<text x="${(end + 6).toFixed(1)}" y="${rowY(at) + 20}" font-size="12">${count(hexad.perSecond)}</text>`
    );
  });
  return [`<text x="${left}" y="${TOP - 26}" font-weight="bold">Operations per second</text>`, ...bars].join('\n');
}
