/** V8's .cpuprofile format, as much of it as is needed here. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Microseconds. */
  readonly startTime: number;
  readonly endTime: number;
  /** Node ids, and the time in microseconds since the sample before (the first: since `startTime`). */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    /** From 0; -1: none. */
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
}

/** A function and the time spent in it and, in the tree, below it. Milliseconds. */
export interface Frame {
  readonly name: string;
  readonly file: string;
  readonly self: number;
  readonly total: number;
  readonly children: readonly Frame[];
}

/** Where a process's main thread spent its time, in milliseconds. */
export interface Attribution {
  /** From the first sample on: before it the profiler itself was starting. */
  readonly wall: number;
  readonly idle: number;
  readonly collector: number;
  /** Native code with no script below it: the event loop, system calls, compilation. */
  readonly native: number;
  readonly byFunction: ReadonlyArray<{ readonly name: string; readonly file: string; readonly ms: number }>;
  readonly byFile: ReadonlyArray<{ readonly file: string; readonly ms: number }>;
  readonly root: Frame;
}

/** The source file of a line of a script. */
export type SourceOf = (url: string, line: number) => string;

const IDLE = '(idle)';
const COLLECTOR = '(garbage collector)';
const NATIVE = '(program)';

/** V8 counts a sample from its own moment on: its time lasts until the next one. */
function selfTimes({ samples, timeDeltas, startTime, endTime }: CpuProfile): Map<number, number> {
  const self = new Map<number, number>();
  let now = startTime;
  const at: number[] = timeDeltas.map((delta) => (now += delta));
  samples.forEach((id, index) => {
    const lasted = Math.max(0, (at[index + 1] ?? endTime) - (at[index] ?? endTime));
    self.set(id, (self.get(id) ?? 0) + lasted / 1_000);
  });
  return self;
}

export function attribute(profile: CpuProfile, sourceOf: SourceOf): Attribution {
  const self = selfTimes(profile);
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const functions = new Map<string, { name: string; file: string; ms: number }>();
  const special = new Map<string, number>();
  const build = (node: ProfileNode, caller: string): Frame => {
    const { functionName, url, lineNumber } = node.callFrame;
    const ms = self.get(node.id) ?? 0;
    const isSpecial = functionName.startsWith('(') && url === '';
    const name = functionName === '' ? nameless(url, lineNumber, caller) : functionName;
    const file = isSpecial ? '' : sourceOf(url, lineNumber);
    if (isSpecial) special.set(name, (special.get(name) ?? 0) + ms);
    else if (ms > 0) {
      const known = functions.get(`${name} ${file}`) ?? { name, file, ms: 0 };
      known.ms += ms;
      functions.set(`${name} ${file}`, known);
    }
    const children = merge(
      (node.children ?? []).flatMap((id) => nodes.get(id) ?? []).map((child) => build(child, name)),
    );
    return { name, file, self: ms, total: ms + children.reduce((sum, { total }) => sum + total, 0), children };
  };
  const [first] = profile.nodes;
  if (first === undefined) throw new Error('the profile is empty');
  const root = build(first, '');
  const byFunction = [...functions.values()].sort((a, b) => b.ms - a.ms);
  return {
    wall: root.total,
    idle: special.get(IDLE) ?? 0,
    collector: special.get(COLLECTOR) ?? 0,
    native: special.get(NATIVE) ?? 0,
    byFunction,
    byFile: filesOf(byFunction),
    root,
  };
}

/** Functions of native add-ons have neither name nor script: their caller says most. */
function nameless(url: string, lineNumber: number, caller: string): string {
  return url === '' ? `native code of ${caller}` : `anonymous:${lineNumber + 1}`;
}

/** Siblings of the same function are one frame: V8 keeps them apart by call site. */
function merge(frames: readonly Frame[]): Frame[] {
  const byName = new Map<string, Frame[]>();
  for (const frame of frames) {
    const key = `${frame.name} ${frame.file}`;
    byName.set(key, [...(byName.get(key) ?? []), frame]);
  }
  return [...byName.values()].map((same) => {
    const [first] = same;
    if (same.length === 1 && first !== undefined) return first;
    return {
      name: first?.name ?? '',
      file: first?.file ?? '',
      self: same.reduce((sum, { self }) => sum + self, 0),
      total: same.reduce((sum, { total }) => sum + total, 0),
      children: merge(same.flatMap(({ children }) => children)),
    };
  });
}

function filesOf(functions: Attribution['byFunction']): Array<{ file: string; ms: number }> {
  const files = new Map<string, number>();
  for (const { file, ms } of functions) files.set(file, (files.get(file) ?? 0) + ms);
  return [...files].map(([file, ms]) => ({ file, ms })).sort((a, b) => b.ms - a.ms);
}
