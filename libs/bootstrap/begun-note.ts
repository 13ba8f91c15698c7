import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syncDirectory } from '../process';

/** Written once the WAL has begun, next to it: a WAL that is gone afterwards must not be begun anew. */
const BEGUN_FILE = 'wal-begun';

/** Ids in hexadecimal. */
export interface BegunIdentity {
  readonly memberId: string;
  readonly clusterId: string;
}

const NOTE = /^member ([0-9a-f]+) of cluster ([0-9a-f]+)(?: with token (".*"))?$/m;

/** What the note says, undefined without one. */
export function begunNote(memberDir: string): string | undefined {
  const path = join(memberDir, BEGUN_FILE);
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}

/** Under which ids this member's log was begun; undefined when it was not, or the note can't be read. */
export function begunIdentity(memberDir: string): BegunIdentity | undefined {
  const [, memberId, clusterId] = NOTE.exec(begunNote(memberDir) ?? '') ?? [];
  return memberId === undefined || clusterId === undefined ? undefined : { memberId, clusterId };
}

/** The `--initial-cluster-token` of that start; undefined where the note does not tell. */
export function begunToken(memberDir: string): string | undefined {
  const [, , , token] = NOTE.exec(begunNote(memberDir) ?? '') ?? [];
  return token === undefined ? undefined : (JSON.parse(token) as string);
}

/** Only once the WAL is durable; at each start, since a crash may have come between the two. */
export function noteBegun(
  memberDir: string,
  { memberId, clusterId, clusterToken }: BegunIdentity & { readonly clusterToken?: string },
): void {
  const path = join(memberDir, BEGUN_FILE);
  if (existsSync(path)) return;
  const token = clusterToken === undefined ? '' : ` with token ${JSON.stringify(clusterToken)}`;
  mkdirSync(memberDir, { recursive: true, mode: 0o700 });
  writeFileSync(path, `member ${memberId} of cluster ${clusterId}${token}\n`, { mode: 0o600, flush: true });
  syncDirectory(memberDir);
}
