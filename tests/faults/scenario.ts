/**
 * The language of faults, one statement a line, run in order beside the load:
 *
 *   kill TARGET                 SIGKILL to a whole member, all its processes at one moment
 *   kill PROCESS of TARGET      to one of its processes, or to `main`, which supervises them
 *   start TARGET                members that were killed
 *   pause TARGET | pause PROCESS of TARGET          SIGSTOP
 *   resume TARGET | resume PROCESS of TARGET        SIGCONT
 *   cut TARGET -> TARGET        the peer link in one direction; <-> in both
 *   isolate TARGET              from all others, both directions
 *   delay TARGET <-> TARGET 50ms
 *   heal                        all links
 *   disk TARGET sync 300ms | disk TARGET full | disk TARGET normal
 *   compact | defrag TARGET
 *   wait 3s
 *   remember term | expect same term
 *   repeat 20 … end             what stands between, so many times
 *
 * TARGET: leader; follower (some follower); other (a member that is neither the last one named nor the leader);
 * it (the last one named); down (those killed); paused; all; m1, m2, …. A line that begins with # is a comment.
 */
export const PROCESS_OR_MAIN = ['main', 'raft', 'storage', 'watch', 'lease', 'auth', 'proxy'] as const;
export type ProcessOrMain = (typeof PROCESS_OR_MAIN)[number];

export type Target = 'leader' | 'follower' | 'other' | 'it' | 'down' | 'paused' | 'all' | { readonly member: number };

export type Statement = { readonly text: string } & (
  | { readonly verb: 'kill' | 'pause' | 'resume'; readonly target: Target; readonly process: ProcessOrMain | undefined }
  | { readonly verb: 'start' | 'isolate' | 'defrag'; readonly target: Target }
  | {
      readonly verb: 'cut' | 'delay';
      readonly from: Target;
      readonly to: Target;
      readonly isBoth: boolean;
      readonly ms: number;
    }
  | { readonly verb: 'disk'; readonly target: Target; readonly syncDelayMs: number; readonly isFull: boolean }
  | { readonly verb: 'wait'; readonly ms: number }
  | { readonly verb: 'heal' | 'compact' | 'remember term' | 'expect same term' }
);

const NAMED_TARGETS = ['leader', 'follower', 'other', 'it', 'down', 'paused', 'all'] as const;

/** @throws with the number of the line that makes no sense */
export function parseScenario(text: string): Statement[] {
  const blocks: { readonly times: number; readonly statements: Statement[] }[] = [{ times: 1, statements: [] }];
  const wrong = (at: number, line: string): Error => new Error(`line ${at + 1}: cannot read "${line}"`);
  const lines = text.split('\n').map((line) => line.trim());
  for (const [at, line] of lines.entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const repeat = /^repeat ([1-9]\d*)$/.exec(line);
    if (repeat !== null) {
      blocks.push({ times: Number(repeat[1]), statements: [] });
      continue;
    }
    const block = blocks[blocks.length - 1] as (typeof blocks)[number]; // the outermost is never taken away
    if (line === 'end') {
      blocks.pop();
      const outer = blocks[blocks.length - 1];
      if (outer === undefined) throw wrong(at, line);
      for (let i = 0; i < block.times; i++) outer.statements.push(...block.statements);
      continue;
    }
    const statement = parseStatement(line);
    if (statement === undefined) throw wrong(at, line);
    block.statements.push(statement);
  }
  if (blocks.length > 1) throw new Error(`line ${lines.length}: a repeat without its end`);
  return blocks[0]?.statements ?? [];
}

export function parseStatement(text: string): Statement | undefined {
  const words = text.split(/\s+/);
  const [verb = '', first = '', second = '', third = '', fourth = ''] = words;
  if (text === 'remember term' || text === 'expect same term') return { text, verb: text };
  switch (verb) {
    case 'kill':
    case 'pause':
    case 'resume':
      return second === 'of'
        ? withProcess(text, verb, first, third)
        : onTarget(first, 2, words, (target) => ({ text, verb, target, process: undefined }));
    case 'start':
    case 'isolate':
    case 'defrag':
      return onTarget(first, 2, words, (target) => ({ text, verb, target }));
    case 'cut':
      return words.length === 4 ? link(text, verb, [first, second, third], 0) : undefined;
    case 'delay':
      return words.length === 5 ? link(text, verb, [first, second, third], milliseconds(fourth)) : undefined;
    case 'disk':
      return disk(text, first, second, third);
    case 'wait': {
      const ms = milliseconds(first);
      return ms === undefined || words.length !== 2 ? undefined : { text, verb, ms };
    }
    case 'heal':
    case 'compact':
      return words.length === 1 ? { text, verb } : undefined;
    default:
      return undefined;
  }
}

function onTarget(
  word: string,
  length: number,
  words: readonly string[],
  make: (target: Target) => Statement,
): Statement | undefined {
  const target = parseTarget(word);
  return target === undefined || words.length !== length ? undefined : make(target);
}

function withProcess(
  text: string,
  verb: 'kill' | 'pause' | 'resume',
  name: string,
  word: string,
): Statement | undefined {
  const process = PROCESS_OR_MAIN.find((one) => one === name);
  const target = parseTarget(word);
  return process === undefined || target === undefined ? undefined : { text, verb, target, process };
}

function link(
  text: string,
  verb: 'cut' | 'delay',
  [a = '', arrow = '', b = '']: string[],
  ms: number | undefined,
): Statement | undefined {
  const from = parseTarget(a);
  const to = parseTarget(b);
  if (from === undefined || to === undefined || ms === undefined || (arrow !== '->' && arrow !== '<->'))
    return undefined;
  return { text, verb, from, to, isBoth: arrow === '<->', ms };
}

function disk(text: string, word: string, what: string, time: string): Statement | undefined {
  const target = parseTarget(word);
  const ms = what === 'sync' ? milliseconds(time) : 0;
  if (target === undefined || ms === undefined || !['sync', 'full', 'normal'].includes(what)) return undefined;
  return { text, verb: 'disk', target, syncDelayMs: ms, isFull: what === 'full' };
}

function parseTarget(word: string): Target | undefined {
  const named = NAMED_TARGETS.find((one) => one === word);
  if (named !== undefined) return named;
  const match = /^m([1-9]\d*)$/.exec(word);
  return match === null ? undefined : { member: Number(match[1]) - 1 };
}

function milliseconds(word: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(word);
  return match === null ? undefined : Number(match[1]) * (match[2] === 's' ? 1_000 : 1);
}
