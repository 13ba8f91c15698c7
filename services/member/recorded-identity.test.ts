import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memberConfig, parseArguments } from '../../libs/config';
import { withRecordedIdentity } from './recorded-identity';

let directory = '';
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'hexad-identity-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const ids = ({ memberId, clusterId }: { memberId: string; clusterId: string }): string[] => [memberId, clusterId];

function begun(note: string): string[] {
  const config = memberConfig(parseArguments([`--data-dir=${directory}`, '--initial-cluster-token=another']));
  mkdirSync(config.paths.memberDir);
  writeFileSync(join(config.paths.memberDir, 'wal-begun'), note);
  return ids(withRecordedIdentity(config));
}

it('takes the ids that the data directory was begun with, whatever the initial cluster says now', () => {
  expect(begun('member 21391a340d69da35 of cluster faf9b0f961b03ee7\n')).toEqual([
    '21391a340d69da35',
    'faf9b0f961b03ee7',
  ]);
});

it('takes the ids of the initial cluster at the first start, and when the note says nothing', () => {
  const config = memberConfig(parseArguments([`--data-dir=${directory}`, '--initial-cluster-token=another']));
  expect(ids(withRecordedIdentity(config))).toEqual(ids(config));
  expect(begun('')).toEqual(ids(config));
});
