import type { StoreSnapshot } from '../../../proto/gen/hexad';
import type { MemberBook } from '../../../services/raft/conf-changes';
import type { PeerMember } from '../../../services/raft/config';
import { MembersFile } from '../../../services/raft/members-file';

/** What the members file of a member holds; it outlives its processes. */
export interface MembersFileContent {
  saved: StoreSnapshot | undefined;
  next: StoreSnapshot | undefined;
  hints: readonly PeerMember[];
}

/** The members file in memory: each write is durable when it returns, as the real one's. */
export class SimMembersFile extends MembersFile {
  constructor(
    private readonly content: MembersFileContent,
    private readonly mayAct: () => boolean,
  ) {
    super('/sim');
  }

  override get index(): number {
    return this.content.saved?.index ?? 0;
  }

  override load(book: MemberBook, walConfigurationIndex: number, firstIndex: number): void {
    this.settle(walConfigurationIndex);
    const { saved } = this.content;
    if (saved !== undefined) book.restore(saved);
    else if (firstIndex !== 1)
      throw new Error(`the members file is missing, though the WAL begins at entry ${firstIndex}`);
  }

  override save(book: MemberBook): void {
    if (!this.mayAct()) return;
    const members = book.members.map(({ id, name, peerUrls, isLearner }) => ({
      id,
      name,
      peerUrls: [...peerUrls],
      isLearner,
    }));
    this.content.saved = { index: book.index, term: 0, members, removed: [...book.removed] };
  }

  override saveHints(members: readonly PeerMember[]): void {
    if (this.mayAct()) this.content.hints = members;
  }

  override hints(): readonly PeerMember[] {
    return this.content.hints;
  }

  override prepare(snapshot: StoreSnapshot): void {
    if (this.mayAct()) this.content.next = snapshot;
  }

  override settle(walConfigurationIndex: number): void {
    const { next } = this.content;
    if (next === undefined || !this.mayAct()) return;
    this.content.next = undefined;
    if (next.index <= walConfigurationIndex) this.content.saved = next;
  }
}
