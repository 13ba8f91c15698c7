import { failpoint } from '../failpoints';
import { type Batch, type Engine, Table } from './engine';
import { appendBlocks, comparePlaces, deletePlaces, placeOf } from './history-blocks';
import type { Generation } from './overlay';
import type { Place, Version } from './record';
import { encodeState, STATE_KEY, type State, sealSmall } from './schema';
import type { Versions } from './versions';

const beforeStartTxn = failpoint('beforeStartDBTxn');
const afterStartTxn = failpoint('afterStartDBTxn');
const beforeState = failpoint('commitBeforePreCommitHook');
const afterState = failpoint('commitAfterPreCommitHook');
const beforeCommit = failpoint('beforeCommit');
const afterCommit = failpoint('afterCommit');

/**
 * Writes a frozen generation, rows that the Latest table lacks (`allLatest`: all of them) and the state that goes with
 * these, as one commit. Nothing else is being committed, so the engine shows everything that came before.
 */
export function writeGeneration(
  versions: Versions,
  generation: Generation,
  stateOf: () => State,
  allLatest: boolean,
): Promise<void> {
  const { engine, environment, longKeys, latestRows } = versions;
  beforeStartTxn.reach();
  const batch = engine.batch();
  afterStartTxn.reach();
  longKeys.beginBatch();
  const live = deleteDeadHistory(engine, batch, generation);
  deleteDeadTombstones(versions, batch, generation);
  latestRows.write((version) => longKeys.put(batch, version.key, version.bytes), versions.revision, allLatest);
  appendBlocks(batch, live);
  for (const [, { key, value }] of generation.small.entries()) {
    if (value === undefined) batch.delete(Table.Small, key);
    else batch.put(Table.Small, key, sealSmall(key, value, environment));
  }
  // Last, since writing long keys takes node ids and rows of Latest move its revision.
  beforeState.reach();
  batch.put(Table.Small, STATE_KEY, sealSmall(STATE_KEY, encodeState(stateOf()), environment));
  afterState.reach();
  beforeCommit.reach();
  return batch.commit().then(() => {
    afterCommit.reach();
  });
}

/** Deletes dead versions that are in the engine; gives those of the generation that are not dead. */
function deleteDeadHistory(engine: Engine, batch: Batch, { dead, history }: Generation): readonly Version[] {
  if (dead.length === 0) return history;
  const places = dead
    .sort(comparePlaces)
    .filter((place, i) => i === 0 || comparePlaces(place, dead[i - 1] as Place) !== 0);
  const first = history[0];
  const inEngine =
    first === undefined ? places.length : places.findIndex((place) => comparePlaces(place, placeOf(first)) >= 0);
  const cut = inEngine < 0 ? places.length : inEngine;
  deletePlaces(engine, batch, places.slice(0, cut));
  let at = cut;
  return history.filter((version) => {
    while (at < places.length && comparePlaces(places[at] as Place, placeOf(version)) < 0) at++;
    return at === places.length || comparePlaces(places[at] as Place, placeOf(version)) !== 0;
  });
}

/** Deletes rows in Latest of dead tombstones that are still the last version of their key. */
function deleteDeadTombstones(versions: Versions, batch: Batch, generation: Generation): void {
  const { environment, longKeys, latestRows } = versions;
  const gone = new Set<string>();
  for (const tombstone of generation.deadTombstones) {
    const text = environment.latin1(tombstone.key);
    if (gone.has(text) || !isLast(versions, text, tombstone)) continue;
    longKeys.delete(batch, tombstone.key);
    latestRows.bury(text, tombstone);
    gone.add(text);
  }
}

function isLast(versions: Versions, text: string, tombstone: Version): boolean {
  const last = versions.latestOf(tombstone.key, text);
  return last !== undefined && comparePlaces(placeOf(last), placeOf(tombstone)) === 0;
}
