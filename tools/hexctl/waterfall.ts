import type { RequestBreakdown } from '../../libs/client';

const WIDTH = 50;

export interface Bar {
  readonly stage: string;
  readonly micros: number;
  readonly where: string;
}

/** Stages one below the other, each bar beginning where the one before ends. */
export function waterfall(bars: readonly Bar[], totalMicros: number): string {
  const names = Math.max(0, ...bars.map(({ stage }) => stage.length));
  const places = Math.max(0, ...bars.map(({ where }) => where.length));
  let before = 0;
  const lines = bars.map(({ stage, micros, where }) => {
    const scale = (value: number): number => (totalMicros === 0 ? 0 : Math.round((value / totalMicros) * WIDTH));
    const start = Math.min(scale(before), WIDTH);
    const end = Math.min(Math.max(scale(before + micros), start + (micros > 0 ? 1 : 0)), WIDTH);
    before += micros;
    const bar = `${' '.repeat(start)}${'█'.repeat(end - start)}`.padEnd(WIDTH);
    return `  ${stage.padEnd(names)}  ${where.padEnd(places)}  ${millis(micros).padStart(9)} ms  |${bar}|\n`;
  });
  return `${lines.join('')}  ${'total'.padEnd(names)}  ${''.padEnd(places)}  ${millis(totalMicros).padStart(9)} ms\n`;
}

/** The `hexad-timing` trailer as a waterfall. */
export function timingWaterfall(trailer: string): string {
  const bars: Bar[] = [];
  let total = 0;
  for (const part of trailer.split(', ')) {
    const [, stage = '', ms = ''] = /^([\w-]+);dur=([\d.]+)$/.exec(part) ?? [];
    const micros = Math.round(Number(ms) * 1000);
    if (stage === 'total') total = micros;
    else if (stage !== '') bars.push({ stage, micros, where: '' });
  }
  return waterfall(bars, total);
}

export function breakdownWaterfall(request: RequestBreakdown): string {
  const bars = request.stages.map(({ stage, micros, process }) => ({ stage, micros, where: process }));
  bars.push({ stage: 'unattributed', micros: request.unattributedMicros, where: '' });
  const failed = request.error === '' ? '' : `  error: ${request.error}\n`;
  const keys = request.rangeKeys < 0 ? '' : `, ${request.rangeKeys} keys`;
  return (
    `${request.id}  ${request.op} on ${request.member} from ${request.remote} at ${new Date(request.at).toISOString()}` +
    `${request.traceId === '' ? '' : `  trace ${request.traceId}`}\n` +
    `  ${request.requestBytes} bytes in, ${request.responseBytes} bytes out${keys}\n${failed}` +
    `  ${request.cause.stage} at ${request.cause.process}: ${request.cause.reason}\n` +
    waterfall(bars, request.totalMicros)
  );
}

export function millis(micros: number): string {
  return (micros / 1000).toFixed(3);
}
