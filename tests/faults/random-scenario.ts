import type { Random } from './disk/random';
import { parseScenario, type Statement } from './scenario';

/** What may go wrong, and how it ends. A blank end: it mends itself. {pause} is filled in with how long it lasts. */
const FAULTS: ReadonlyArray<{ readonly begin: string; readonly end: string; readonly weight: number }> = [
  { begin: 'kill leader', end: 'start down', weight: 3 },
  { begin: 'kill follower', end: 'start down', weight: 2 },
  { begin: 'kill all', end: 'start down', weight: 1 },
  { begin: 'kill raft of leader', end: '', weight: 2 },
  { begin: 'kill storage of leader', end: '', weight: 2 },
  { begin: 'kill raft of follower', end: '', weight: 1 },
  { begin: 'kill storage of follower', end: '', weight: 1 },
  { begin: 'kill watch of follower', end: '', weight: 1 },
  { begin: 'kill watch of leader', end: '', weight: 1 },
  { begin: 'kill lease of leader', end: '', weight: 1 },
  { begin: 'kill auth of leader', end: '', weight: 1 },
  { begin: 'kill proxy of leader', end: '', weight: 1 },
  { begin: 'kill proxy of follower', end: '', weight: 1 },
  { begin: 'kill main of leader', end: 'start down', weight: 1 },
  { begin: 'kill main of follower', end: 'start down', weight: 1 },
  { begin: 'pause leader', end: 'resume it', weight: 2 },
  { begin: 'pause follower', end: 'resume it', weight: 2 },
  { begin: 'pause raft of leader', end: 'resume raft of it', weight: 2 },
  { begin: 'pause storage of leader', end: 'resume storage of it', weight: 2 },
  { begin: 'pause storage of follower', end: 'resume storage of it', weight: 1 },
  { begin: 'pause lease of leader', end: 'resume lease of it', weight: 1 },
  { begin: 'pause watch of follower', end: 'resume watch of it', weight: 1 },
  { begin: 'isolate leader', end: 'heal', weight: 3 },
  { begin: 'isolate follower', end: 'heal', weight: 2 },
  { begin: 'cut leader -> follower', end: 'heal', weight: 2 },
  { begin: 'cut follower -> leader', end: 'heal', weight: 2 },
  { begin: 'cut leader <-> follower', end: 'heal', weight: 2 },
  { begin: 'delay leader <-> follower 100ms', end: 'heal', weight: 1 },
  { begin: 'delay follower -> leader 300ms', end: 'heal', weight: 1 },
  { begin: 'disk leader sync 300ms', end: 'disk it normal', weight: 1 },
  { begin: 'disk leader sync 3s', end: 'disk it normal', weight: 1 },
  { begin: 'disk follower sync 500ms', end: 'disk it normal', weight: 1 },
];
const ASIDES = ['', '', '', 'compact', 'compact', 'defrag leader', 'defrag follower'];
const FAULT_MS = [1_000, 4_000] as const;
const INTERVAL_MS = [5_000, 10_000] as const;

/** Faults for about `ms` milliseconds, one every 5 to 10 s, as a scenario that can be run again. */
export function randomScenario(random: Random, ms: number): Statement[] {
  const lines: string[] = [];
  let left = ms;
  while (left > INTERVAL_MS[0]) {
    const interval = Math.min(left, random.between(...INTERVAL_MS));
    const lasting = Math.min(random.between(...FAULT_MS), interval - 500);
    const { begin, end } = pickWeighted(random);
    lines.push(`wait 500ms`, begin, `wait ${lasting}ms`);
    if (end !== '') lines.push(end);
    const aside = random.pick(ASIDES);
    if (aside !== '') lines.push(aside);
    lines.push(`wait ${Math.max(0, interval - lasting - 500)}ms`);
    left -= interval;
  }
  return parseScenario(lines.join('\n'));
}

function pickWeighted(random: Random): (typeof FAULTS)[number] {
  let draw = random.next() * FAULTS.reduce((sum, { weight }) => sum + weight, 0);
  for (const fault of FAULTS) {
    draw -= fault.weight;
    if (draw < 0) return fault;
  }
  return FAULTS[0] as (typeof FAULTS)[number]; // the list is not empty
}
