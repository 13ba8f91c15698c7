/**
 * gofail's language for what happens at a failpoint (its doc/design.md):
 *
 *     terms  = term { "->" term }          the first one whose modes all allow it is carried out
 *     term   = { mode } action [ value ]
 *     mode   = float "%" | int "*"         with a probability | as many times
 *     action = "off" | "return" | "sleep" | "panic" | "break" | "print"
 *     value  = "(" [ int | "string" | bool ] ")"
 */
export type TermValue = string | number | boolean | undefined;
export type TermAction = 'off' | 'return' | 'sleep' | 'panic' | 'break' | 'print';

export interface Term {
  readonly action: TermAction;
  readonly value: TermValue;
}

type Mode = { readonly kind: 'count'; left: number } | { readonly kind: 'probability'; readonly p: number };

const TERM = /^((?:\d+\.\d*%|\d+\*)*)(off|return|sleep|panic|break|print)(?:\(([^)"]*|"(?:[^"\\]|\\.)*")\))?/;
const MODE = /(\d+\.\d*)%|(\d+)\*/g;
const DURATION = /^(?:(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$/;
const DURATION_PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g;
const UNIT_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 3.6e6 };

/** Terms as they are set at a point, with what they count. */
export class Terms {
  private readonly chain: readonly { readonly modes: readonly Mode[]; readonly term: Term }[];
  /** How often one of the terms was carried out. */
  count = 0;

  /** @throws SyntaxError when the text is not in gofail's language, or sleeps for no time that can be told */
  constructor(
    readonly text: string,
    private readonly random: () => number,
  ) {
    this.chain = parse(text);
  }

  /** What is to be done this time; undefined: nothing. */
  next(): Term | undefined {
    for (const { modes, term } of this.chain) {
      if (!modes.every((mode) => this.allows(mode))) continue;
      this.count += 1;
      return term;
    }
    return undefined;
  }

  private allows(mode: Mode): boolean {
    if (mode.kind === 'probability') return this.random() < mode.p;
    if (mode.left === 0) return false;
    mode.left -= 1;
    return true;
  }
}

/** Milliseconds of `sleep(n)` or of `sleep("1m2.5s")`; undefined: neither. */
export function sleepMs(value: TermValue): number | undefined {
  if (typeof value === 'number') return Math.max(0, value);
  if (typeof value !== 'string' || !DURATION.test(value)) return undefined;
  let total = 0;
  for (const [, amount, unit] of value.matchAll(DURATION_PART)) total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  return total;
}

function parse(text: string): { modes: Mode[]; term: Term }[] {
  const chain = [];
  for (let rest = text; ; ) {
    const match = TERM.exec(rest);
    if (match === null) throw new SyntaxError(`failpoint: could not parse terms "${text}"`);
    const [whole, modes = '', action = '', value] = match;
    chain.push({ modes: modesOf(modes), term: { action: action as TermAction, value: valueOf(text, value) } });
    if (action === 'sleep' && sleepMs(chain.at(-1)?.term.value) === undefined)
      throw new SyntaxError(`failpoint: could not parse the time of "${text}"`);
    rest = rest.slice(whole.length);
    if (rest === '') return chain;
    if (!rest.startsWith('->')) throw new SyntaxError(`failpoint: could not parse terms "${text}"`);
    rest = rest.slice(2);
  }
}

function modesOf(text: string): Mode[] {
  return [...text.matchAll(MODE)].map(([, percent, count]) =>
    percent === undefined ? { kind: 'count', left: Number(count) } : { kind: 'probability', p: Number(percent) / 100 },
  );
}

function valueOf(text: string, value: string | undefined): TermValue {
  if (value === undefined || value === '') return undefined;
  if (value === 'true' || value === 'false') return value === 'true';
  if (/^-?\d+$/.test(value)) return Number(value);
  try {
    if (value.startsWith('"')) return JSON.parse(value) as string;
  } catch {
    // an escape that is none
  }
  throw new SyntaxError(`failpoint: could not parse terms "${text}"`);
}
