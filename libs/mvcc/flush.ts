import { type Batch, type Engine, Table } from './engine';
import { appendBlocks, comparePlaces, deletePlaces, placeOf } from './history-blocks';
import type { Generation } from './overlay';
import type { Place, Version } from './record';
import { encodeState, STATE_KEY, type State, sealSmall } from './schema';
import type { Versions } from './versions';

/**
 * Writes a frozen generation, and the state that goes with it, as one commit. Nothing else is being committed, so the
 * engine shows everything that came before.
 */
export function writeGeneration(versions: Versions, generation: Generation, stateOf: () => State): Promise<void> {
  const { engine, environment, longKeys } = versions;
  const batch = engine.batch();
  longKeys.beginBatch();
  const live = deleteDeadHistory(engine, batch, generation);
  const gone = deleteDeadTombstones(versions, batch, generation);
  for (const [text, version] of generation.latest.entries())
    if (!gone.has(text)) longKeys.put(batch, version.key, version.bytes);
  appendBlocks(batch, live);
  for (const [, { key, value }] of generation.small.entries()) {
    if (value === undefined) batch.delete(Table.Small, key);
    else batch.put(Table.Small, key, sealSmall(key, value, environment));
  }
  // Last, since writing long keys takes node ids.
  batch.put(Table.Small, STATE_KEY, sealSmall(STATE_KEY, encodeState(stateOf()), environment));
  return batch.commit();
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

/** Deletes rows in Latest of dead tombstones that are still the last version; gives the keys (latin1) it deleted. */
function deleteDeadTombstones(versions: Versions, batch: Batch, generation: Generation): ReadonlySet<string> {
  const { environment, longKeys } = versions;
  const gone = new Set<string>();
  for (const tombstone of generation.deadTombstones) {
    const text = environment.latin1(tombstone.key);
    if (gone.has(text) || !isLast(versions, generation, text, tombstone)) continue;
    longKeys.delete(batch, tombstone.key);
    gone.add(text);
  }
  return gone;
}

function isLast(versions: Versions, generation: Generation, text: string, tombstone: Version): boolean {
  const written = generation.latest.get(text);
  if (written !== undefined) return comparePlaces(placeOf(written), placeOf(tombstone)) === 0;
  const record = versions.longKeys.get(tombstone.key);
  return record !== undefined && comparePlaces(placeOf(versions.decodeLatest(record)), placeOf(tombstone)) === 0;
}
