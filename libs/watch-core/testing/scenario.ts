import { DEFAULT_WATCH_LIMITS } from '..';
import { HubSimulation } from './hub-simulation';

const COMMAND_END = '----';

/** Runs a scenario file and returns it with the outputs that the hub gives now below each command. */
export function rewriteScenario(text: string): string {
  const limits = { ...DEFAULT_WATCH_LIMITS, sliceRevisionsMax: 100 };
  const options = { livePrevious: false, ...(text.includes('\nhear\n') ? {} : { alwaysSends: true as const }) };
  const sim = new HubSimulation(limits, options);
  let shown = 0;
  const blocks = text.split('\n\n').map((block) => {
    const lines = block.trimEnd().split('\n');
    const comments = lines.filter((line) => line.startsWith('#'));
    const commands = lines.slice(comments.length, lines.indexOf(COMMAND_END));
    if (lines.indexOf(COMMAND_END) < 0) return block.trimEnd();
    for (const command of commands) run(sim, command);
    const outputs = sim.trace.slice(shown);
    shown = sim.trace.length;
    return [...comments, ...commands, COMMAND_END, ...outputs].join('\n');
  });
  return `${blocks.join('\n\n')}\n`;
}

/**
 * `write k1 k2-`, `publish [lost|twice]`, `heartbeat`, `create 1/1#3 k1..k3 rev=5 prev_kv no_put progress`,
 * `cancel 1/1#3`, `status`, `chunk N`, `turn`, `pause 1/1`, `resume 1/1`, `progress 1/1`, `timer 1/1`, `congested 1`,
 * `drained 1`, `compact N`, `reconnect` (storage ends and is there again, maybe with a later store), `fail` (a read of
 * history breaks off), `rest` (nobody has watched for a while), `hear` (storage hears whether events are wanted; in
 * a scenario without it storage always sends them).
 */
function run(sim: HubSimulation, command: string): void {
  const [verb = '', ...words] = command.split(' ');
  const action = ACTIONS[verb];
  if (action === undefined) throw new Error(`unknown verb ${verb}`);
  action(sim, words);
  sim.pump();
}

const ACTIONS: Readonly<Record<string, (sim: HubSimulation, words: readonly string[]) => void>> = {
  write: (sim, words) =>
    sim.write(words.map((word) => ({ key: Number(word.slice(1).replace('-', '')), remove: word.endsWith('-') }))),
  publish: (sim, [how]) => sim.publish({ lost: how === 'lost', repeat: how === 'twice' }),
  heartbeat: (sim) => sim.heartbeat(),
  create: (sim, words) => create(sim, words),
  cancel: (sim, [where = '']) => {
    const { connection, session, watchId } = place(where);
    sim.core.cancel(connection, session, watchId);
  },
  status: (sim) => void sim.answerStatus(),
  chunk: (sim, [revisions]) => void sim.serveRead(Number(revisions)),
  turn: (sim) => void sim.takeTurn(),
  pause: (sim, [where = '']) => sim.core.pause(place(where).connection, place(where).session),
  resume: (sim, [where = '']) => sim.core.resume(place(where).connection, place(where).session),
  progress: (sim, [where = '']) => sim.core.requestProgress(place(where).connection, place(where).session),
  timer: (sim, [where = '']) => sim.core.progressDue(place(where).connection, place(where).session),
  congested: (sim, [connection]) => sim.core.congested(Number(connection)),
  drained: (sim, [connection]) => sim.core.drained(Number(connection)),
  compact: (sim, [revision]) => sim.compact(Number(revision)),
  reconnect: (sim) => sim.reconnect(),
  fail: (sim) => sim.failRead(0),
  rest: (sim) => sim.core.rest(),
  hear: (sim) => void sim.hearWish(),
};

function place(where: string): { connection: number; session: number; watchId: number } {
  const [, connection, session, watchId] = /^(\d+)\/(\d+)(?:#(\d+))?$/.exec(where) ?? [];
  return { connection: Number(connection), session: Number(session), watchId: Number(watchId ?? 0) };
}

function create(sim: HubSimulation, [where = '', range = '', ...options]: readonly string[]): void {
  const { connection, session, watchId } = place(where);
  const [key = '', rangeEnd = ''] = range.split('..');
  const encoder = new TextEncoder();
  const revision = options.find((option) => option.startsWith('rev='));
  sim.create(connection, session, {
    watchId,
    key: encoder.encode(key),
    rangeEnd: encoder.encode(rangeEnd),
    startRevision: revision === undefined ? 0 : Number(revision.slice(4)),
    progressNotify: options.includes('progress'),
    noPut: options.includes('no_put'),
    noDelete: options.includes('no_delete'),
    prevKv: options.includes('prev_kv'),
    resumed: options.includes('resumed'),
  });
}
