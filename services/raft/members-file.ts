import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { renameDurably, StartError, syncDirectory, writeDurably } from '../../libs/process';
import { decodeStoreSnapshot, encodeStoreSnapshot, type StoreSnapshot } from '../../proto/gen/hexad';
import type { MemberBook } from './conf-changes';
import type { PeerMember } from './config';

const FILE = 'members';
/** Of a snapshot whose record may not be in the WAL yet. */
const NEXT_FILE = 'members.next';
/** Who was there when this member joined. */
const HINTS_FILE = 'members.joined';
const CRC_BYTES = 4;

/**
 * Who the members are, as far as the WAL does not say so any more: its old segments are gone, or a snapshot took their
 * place. Written before that happens. Invariant: the file's index is at most that of the configuration in the WAL.
 */
export class MembersFile {
  private savedIndex = 0;

  constructor(private readonly memberDir: string) {}

  /**
   * Reads what is stored into the book. `snapshotIndex`: where the WAL says the last snapshot lies.
   *
   * @throws StartError when it is damaged, or missing though the WAL begins behind `firstIndex` 1
   */
  load(book: MemberBook, walConfigurationIndex: number, firstIndex: number): void {
    this.settle(walConfigurationIndex);
    const stored = this.read(FILE);
    if (stored !== undefined) {
      book.restore(stored);
      this.savedIndex = stored.index;
      return;
    }
    if (firstIndex === 1) return;
    throw new StartError(
      `${join(this.memberDir, FILE)} is missing, though the WAL begins at entry ${firstIndex}: restore the file from a copy, ` +
        'or remove this member from the cluster, clear its data directory and add it again',
    );
  }

  get index(): number {
    return this.savedIndex;
  }

  save(book: MemberBook): void {
    this.write(FILE, { index: book.index, term: 0, members: membersOf(book), removed: [...book.removed] });
    this.savedIndex = book.index;
  }

  saveHints(members: readonly PeerMember[]): void {
    const list = members.map(({ id, name, peerUrls }) => ({ id, name, peerUrls: [...peerUrls], isLearner: false }));
    this.write(HINTS_FILE, { index: 0, term: 0, members: list, removed: [] });
  }

  hints(): readonly PeerMember[] {
    return this.read(HINTS_FILE)?.members ?? [];
  }

  /** Before the record of this snapshot goes to the WAL. */
  prepare(snapshot: StoreSnapshot): void {
    this.write(NEXT_FILE, snapshot);
  }

  /** Takes over what was prepared, once the WAL has the snapshot's record; forgets it if the WAL has not. */
  settle(walConfigurationIndex: number): void {
    const next = this.read(NEXT_FILE);
    if (next === undefined) return;
    const path = join(this.memberDir, NEXT_FILE);
    if (next.index <= walConfigurationIndex) {
      renameDurably(path, join(this.memberDir, FILE));
      this.savedIndex = next.index;
      return;
    }
    rmSync(path);
    syncDirectory(this.memberDir);
  }

  private write(name: string, snapshot: StoreSnapshot): void {
    const body = encodeStoreSnapshot(snapshot);
    const bytes = Buffer.alloc(CRC_BYTES + body.length);
    bytes.writeUInt32BE(crc32(body));
    bytes.set(body, CRC_BYTES);
    writeDurably(join(this.memberDir, name), bytes);
  }

  private read(name: string): StoreSnapshot | undefined {
    const path = join(this.memberDir, name);
    if (!existsSync(path)) return undefined;
    const bytes = readFileSync(path);
    const body = bytes.subarray(CRC_BYTES);
    if (bytes.length < CRC_BYTES || bytes.readUInt32BE() !== crc32(body)) {
      throw new StartError(
        `${path} is damaged: restore the file from a copy, or remove this member from the cluster, clear its data directory ` +
          'and add it again',
      );
    }
    return decodeStoreSnapshot(body);
  }
}

function membersOf(book: MemberBook): StoreSnapshot['members'] {
  return book.members.map(({ id, name, peerUrls, isLearner }) => ({ id, name, peerUrls: [...peerUrls], isLearner }));
}
