import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, Table } from '../../../libs/mvcc';
import { VarintReader, writeVarint } from '../../../libs/mvcc/bytes';
import { placeOf } from '../../../libs/mvcc/history-blocks';
import { decodeRecord, RecordEncoder, type Version } from '../../../libs/mvcc/record';
import { currentGeneration, LmdbEngine, nodeEnvironment } from '../../../libs/store';
import type { Member } from './cluster';

/** The file of the store that the member uses, or used last. */
export function storeFile(member: Member): string {
  return join(currentGeneration(join(member.dataDir, 'member', 'db')), 'db');
}

/**
 * Makes the state of a stopped member one that a wrong apply could have made: the key's last version has another value and
 * one version more, under checksums that match.
 */
export async function plantOtherState(member: Member, key: string, value: string): Promise<void> {
  const engine = new LmdbEngine(storeFile(member));
  try {
    const keyBytes = Buffer.from(key);
    const row = engine.get(Table.Latest, keyBytes);
    if (row === undefined) throw new Error(`${key} is not in the table of last versions`);
    const old = decodeRecord(Uint8Array.from(row), nodeEnvironment, () => key);
    // Only a first version has no links, which this does not know how to make.
    if (old.links.length > 0) throw new Error(`${key} has been written more than once`);
    const encoder = new RecordEncoder(nodeEnvironment);
    const { createRevision, version, lease } = old;
    const planted = encoder.put(
      keyBytes,
      Buffer.from(value),
      lease,
      createRevision,
      version + 1,
      placeOf(old),
      undefined,
    );
    const batch = engine.batch();
    batch.put(Table.Latest, keyBytes, planted.bytes);
    const [blockKey, block] = blockWith(engine, old, planted);
    batch.put(Table.History, blockKey, block);
    await batch.commit();
  } finally {
    await engine.close();
  }
}

/** The block of history that has `old`, with `planted` in its place. */
function blockWith(engine: Engine, old: Version, planted: Version): [Uint8Array, Uint8Array] {
  const rows = engine.scan(Table.History, {});
  try {
    while (rows.next()) {
      const reader = new VarintReader(rows.value, 0);
      const parts: Uint8Array[] = [];
      let found = false;
      while (reader.pos < rows.value.length) {
        const length = reader.next();
        const record = rows.value.subarray(reader.pos, reader.pos + length);
        reader.pos += length;
        const isOld = Buffer.compare(record, old.bytes) === 0;
        found ||= isOld;
        const taken = isOld ? planted.bytes : record;
        const head = new Uint8Array(9);
        parts.push(head.subarray(0, writeVarint(head, 0, taken.length)), taken);
      }
      if (found) return [Uint8Array.from(rows.key), Buffer.concat(parts)];
    }
    throw new Error('the version is not in history');
  } finally {
    rows.close();
  }
}

/** Turns one bit over wherever `text` stands in the member's store file; how often that was. */
export function rot(member: Member, text: string): number {
  const path = storeFile(member);
  const bytes = readFileSync(path);
  const fd = openSync(path, 'r+');
  let count = 0;
  try {
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
      writeSync(fd, Uint8Array.of((bytes[at] as number) ^ 1), 0, 1, at);
      count += 1;
    }
  } finally {
    closeSync(fd);
  }
  return count;
}
