import type { Frame } from './cpu-profile';
import { escapeXml } from './xml';

const WIDTH = 1_400;
const ROW = 17;
const TOP = 44;
/** Frames narrower than this are left out; nobody could see them. */
const WIDTH_MIN = 0.7;
const LETTER = 6.6;

interface Box {
  readonly frame: Frame;
  readonly x: number;
  readonly width: number;
  readonly depth: number;
}

/** A flame graph that grows downwards: width is time, widest first; `(idle)` is left out. Hovering shows the figures. */
export function flameGraph(root: Frame, title: string): string {
  const busy = root.children.filter(({ name }) => name !== '(idle)');
  const total = busy.reduce((sum, frame) => sum + frame.total, 0);
  const boxes: Box[] = [];
  layOut(busy, 0, 0, total === 0 ? 0 : WIDTH / total, boxes);
  const depth = boxes.reduce((deepest, box) => Math.max(deepest, box.depth + 1), 1);
  const height = TOP + depth * ROW + 8;
  const drawn = boxes.map((box) => draw(box, total)).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="20" font-size="15" font-family="sans-serif">${escapeXml(title)}</text>
<text x="8" y="36" font-family="sans-serif" fill="#555">${total.toFixed(0)} ms not idle on the main thread; width is time, callers above; red: project, yellow: packages and Node, grey: V8 and native</text>
${drawn}
</svg>
`;
}

function layOut(frames: readonly Frame[], x: number, depth: number, scale: number, into: Box[]): void {
  let at = x;
  for (const frame of [...frames].sort((a, b) => b.total - a.total)) {
    const width = frame.total * scale;
    if (width >= WIDTH_MIN) {
      into.push({ frame, x: at, width, depth });
      layOut(frame.children, at, depth + 1, scale, into);
    }
    at += width;
  }
}

function draw({ frame, x, width, depth }: Box, total: number): string {
  const y = TOP + depth * ROW;
  const percent = ((frame.total / total) * 100).toFixed(1);
  const selfPercent = ((frame.self / total) * 100).toFixed(1);
  const hint = `${frame.name} ${frame.file}: ${frame.total.toFixed(1)} ms, ${percent} % (self ${selfPercent} %)`;
  const letters = Math.floor((width - 4) / LETTER);
  const text = letters < 3 ? '' : label(frame, letters);
  return (
    `<g><title>${escapeXml(hint)}</title><rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${colour(frame)}"/>` +
    `${text === '' ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escapeXml(text)}</text>`}</g>`
  );
}

function label({ name, file }: Frame, letters: number): string {
  const full = file === '' ? name : `${name} (${file.replace(/^.*\//, '')})`;
  const text = full.length <= letters ? full : name;
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

/** Shades differ a little from name to name, so that neighbours can be told apart, and never from run to run. */
function colour({ name, file }: Frame): string {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + letter.charCodeAt(0)) % 997;
  const shade = hash % 12;
  if (/^(libs|services|proto)\//.test(file)) return `hsl(${8 + shade}, 80%, ${66 + shade}%)`;
  if (file === '' || file === '(native)') return `hsl(210, 8%, ${76 + shade / 2}%)`;
  return `hsl(${44 + shade}, 75%, ${64 + shade}%)`;
}
