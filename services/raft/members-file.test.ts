import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfChangeType } from '../../proto/gen/hexad';
import { bootstrapEntries } from '../../libs/bootstrap';
import { MemberBook, readConfChange } from './conf-changes';
import { MembersFile } from './members-file';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hexad-members-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function bookOfThree(): MemberBook {
  const book = new MemberBook();
  const members = [1n, 2n, 3n].map((id) => ({ id, name: `m${id}`, peerUrls: [`http://h${id}:1`] }));
  for (const { index, data } of bootstrapEntries(members)) book.apply(index, readConfChange(data));
  return book;
}

function loaded(walConfigurationIndex: number, firstIndex = 100): MemberBook {
  const book = new MemberBook();
  new MembersFile(directory).load(book, walConfigurationIndex, firstIndex);
  return book;
}

const snapshotAt = (index: number) => ({
  index,
  term: 2,
  members: [{ id: 7n, name: 'm7', peerUrls: ['http://h7:1'], isLearner: true }],
  removed: [1n, 2n, 3n],
});

test('what was saved is loaded, members and those that were removed', () => {
  const book = bookOfThree();
  const change = {
    type: ConfChangeType.CONF_REMOVE,
    nodeId: 2n,
    peerUrls: [],
    name: '',
    origin: 0,
    sequence: 0,
    user: '',
    authRevision: 0,
  };
  book.apply(9, change);
  new MembersFile(directory).save(book);
  const again = loaded(9);
  expect([again.index, again.members, again.removed]).toEqual([9, book.members, [2n]]);
});

test('nothing stored is right while the WAL has it all, and a refusal when it has not', () => {
  expect(loaded(3, 1).members).toEqual([]);
  expect(() => loaded(3, 100)).toThrow(/members is missing, though the WAL begins at entry 100/);
});

test('a damaged file is refused by name, whatever byte it is', () => {
  const file = new MembersFile(directory);
  file.save(bookOfThree());
  const path = join(directory, 'members');
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    writeFileSync(path, damaged);
    expect(() => loaded(3)).toThrow(`${path} is damaged`);
  }
});

test('members of a snapshot count once the WAL has its record, at whatever moment the process died', () => {
  const file = new MembersFile(directory);
  file.save(bookOfThree());
  file.prepare(snapshotAt(50));
  // Died before the record: the snapshot is forgotten.
  expect(loaded(3).members).toHaveLength(3);
  expect(readdirSync(directory)).toEqual(['members']);
  // Died after it.
  file.prepare(snapshotAt(50));
  const book = loaded(50);
  expect([book.index, book.members.map(({ id }) => id), book.removed]).toEqual([50, [7n], [1n, 2n, 3n]]);
  expect(readdirSync(directory)).toEqual(['members']);
});

test('a book refuses what storage refuses, so that votes and member records agree', () => {
  const book = bookOfThree();
  const change = (type: number, nodeId: bigint, peerUrls: string[] = []) =>
    book.apply(book.index + 1, { type, nodeId, peerUrls, name: '', origin: 0, sequence: 0, user: '', authRevision: 0 });
  expect(change(ConfChangeType.CONF_ADD_VOTER, 4n, ['http://h1:1'])).toEqual([]);
  expect(change(ConfChangeType.CONF_ADD_LEARNER, 4n, ['http://h4:1'])).toHaveLength(1);
  expect(change(ConfChangeType.CONF_ADD_VOTER, 4n, ['http://h5:1'])).toEqual([]);
  expect(change(ConfChangeType.CONF_UPDATE, 4n, ['http://h4:2'])).toHaveLength(1);
  expect(change(ConfChangeType.CONF_PROMOTE, 4n)).toHaveLength(1);
  expect(book.members.find(({ id }) => id === 4n)).toMatchObject({ isLearner: false, peerUrls: ['http://h4:2'] });
  expect(change(ConfChangeType.CONF_REMOVE, 4n)).toHaveLength(1);
  expect(change(ConfChangeType.CONF_ADD_VOTER, 4n, ['http://h4:1'])).toEqual([]);
});
