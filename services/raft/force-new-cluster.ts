import { encodeConfChange, ConfChangeType, type ConfChangeInput } from '../../proto/gen/hexad';
import type { Logger } from '../../libs/process';
import type { LogEntry } from '../../libs/raft';
import type { Wal } from '../../libs/wal';
import { MemberBook, readConfChange } from './conf-changes';
import type { RaftSettings } from './config';

/**
 * Makes this member the only one of its cluster, by decree: everything in its log counts as committed, and entries behind
 * it take the others out. Nothing that this member has is lost; what only the others had is. (etcd drops what it does not
 * know to be committed; but the store may hold some of that already, and a client may have been told of it.)
 *
 * @param book the members up to where the WAL's entries go on
 */
export async function forceNewCluster(
  wal: Wal,
  book: MemberBook,
  settings: RaftSettings,
  logger: Logger,
): Promise<void> {
  const { recovered } = wal;
  if (recovered === undefined) return;
  const future = new MemberBook();
  future.restore({ index: book.index, members: book.members.map(copyOf), removed: [...book.removed] });
  for (const entry of recovered.confEntries) {
    if (entry.index > future.index) future.apply(entry.index, readConfChange(entry.data));
  }
  const term = Math.max(recovered.hardState.term, wal.term(wal.lastIndex) ?? 0);
  const entries = changes(future, settings).map(
    (change, at): LogEntry => ({ term, index: wal.lastIndex + 1 + at, type: 1, data: encodeConfChange(change) }),
  );
  const hardState = { term, vote: recovered.hardState.vote, commit: wal.lastIndex + entries.length };
  const { onPersisted } = wal;
  await new Promise<void>((resolve) => {
    wal.onPersisted = () => resolve();
    wal.append({ number: 1, mustSync: true, entries, hardState, snapshot: undefined });
  });
  wal.onPersisted = onPersisted;
  wal.recovered = { ...recovered, hardState, confEntries: [...recovered.confEntries, ...entries] };
  logger.warn({ removed: entries.length, commit: hardState.commit }, 'forced a new cluster of this member alone');
}

function changes(book: MemberBook, { memberId, initialMembers }: RaftSettings): ConfChangeInput[] {
  const own = book.members.find(({ id }) => id === memberId);
  const list: ConfChangeInput[] = [];
  if (own === undefined) {
    const named = initialMembers.find(({ id }) => id === memberId);
    const peerUrls = [...(named?.peerUrls ?? [])];
    list.push({ type: ConfChangeType.CONF_ADD_VOTER, nodeId: memberId, peerUrls, name: named?.name ?? '' });
  } else if (own.isLearner) list.push({ type: ConfChangeType.CONF_PROMOTE, nodeId: memberId });
  for (const { id } of book.members) {
    if (id !== memberId) list.push({ type: ConfChangeType.CONF_REMOVE, nodeId: id });
  }
  return list;
}

function copyOf(member: MemberBook['members'][number]): Parameters<MemberBook['restore']>[0]['members'][number] {
  return { ...member, peerUrls: [...member.peerUrls] };
}
