import {
  BATCH_BYTES_SOFT_MAX,
  INTERNAL_MESSAGE_BYTES_MAX,
  LINK_QUEUE_BYTES_MAX,
  READS_WAITING_MAX,
} from '../../libs/limits';

/** The bounds of this process alone; those it shares with others are in libs/limits. */
export const limits = {
  /** Bytes a subscriber of results, events or feeds may leave unread before it is disconnected. */
  subscriberBufferedBytesMax: LINK_QUEUE_BYTES_MAX,
  /** Payload bytes after which a message of results, events or feeds is closed and another begun. */
  messageBytesTarget: BATCH_BYTES_SOFT_MAX,
  /** Largest response that a link carries; what is larger is answered with an error instead of breaking the link. */
  responseBytesMax: INTERNAL_MESSAGE_BYTES_MAX - BATCH_BYTES_SOFT_MAX,
  /** Records behind a reply to a range; what is more is sent in parts, on a connection of its own. */
  replyBytesMax: 4 * 1024 * 1024,
  /** Rows and bytes that one turn of such an answer reads, answers under way at a time, and how long a reader may stall. */
  largeAnswerRows: 300,
  largeAnswerPartBytes: 64 * 1024,
  largeAnswersMax: 16,
  largeAnswerStallMs: 60_000,
  /** Bytes of replies a reader may leave unread before it is disconnected. */
  readerBufferedBytesMax: 4 * LINK_QUEUE_BYTES_MAX,
  /** Largest previous value that is sent along with a live event; larger ones are fetched when a watcher wants them. */
  eventPreviousBytesMax: 64 * 1024,
  /** Default and largest size of one chunk of history. */
  historyChunkBytes: BATCH_BYTES_SOFT_MAX,
  /** Rows that a scrape reads to count keys, until all have been counted once: some milliseconds. */
  keysCountedPerScrape: 2_000,
  /** Leases in one message of a feed's full copy. */
  feedLeasesPerMessage: 1_000,
  /** Reads that wait for an index, by count and by payload bytes. */
  waitingReadsMax: READS_WAITING_MAX,
  waitingReadBytesMax: 64 * 1024 * 1024,
  /** Entries and milliseconds after which apply yields to reads and links. */
  applySliceEntries: 512,
  applySliceMs: 10,
  /** A slice that takes longer counts as a slow apply. */
  slowApplyMs: 100,
  /** Snapshots that are streamed to clients at a time, how long each holds the event loop, and how long its reader may stall. */
  backupsMax: 4,
  backupSliceMs: 4,
  backupReadBytes: 128 * 1024,
  backupStallMs: 60_000,
  /** Speed of a defragmentation while entries are applied. */
  defragmentBytesPerSecond: 20 * 1024 * 1024,
  /** Rows a slice of physical compaction reads. */
  compactionSliceRows: 256,
  eventHeartbeatMs: 100,
  durabilityReportMs: 100,
  /** Applied entries that raft hears of at once, well below the backlog that it admits. */
  acknowledgeEntries: 256,
  /** How often own proposals that had no effect yet are made again. */
  ownProposalRetryMs: 1_000,
  /** Kept back on the disk, for deletions and compaction when it is full. */
  diskReserveBytes: 8 * 1024 * 1024,
  diskReserveCheckMs: 10_000,
  /** With less than this left on the disk no more data is taken. */
  diskFreeBytesMin: 4 * 1024 * 1024,
  /** How often a member with an alarm looks whether there is space again. */
  spaceCheckMs: 500,
  /** The leader compares rolling hashes so often while entries are applied; others' answers are waited for so long. */
  divergenceCheckMs: 200,
  divergenceGraceMs: 400,
  /** Questions to one member that may be unanswered, and how long one that can't say is left alone. */
  divergenceUnansweredMax: 8,
  divergenceRetryMs: 1_000,
  divergenceReportMs: 10_000,
  /** How long the comparison before serving waits for the other members, and that of all keys for the rest of them. */
  initialCheckMs: 3_000,
  initialCheckRetryMs: 250,
  corruptCheckGraceMs: 5_000,
  /** The scrub reads so often, and rests so long after each time through. */
  scrubSliceMs: 100,
  scrubRestMs: 10_000,
  /** Applied bytes after which the space in use is measured again. */
  quotaCheckBytes: 256 * 1024,
} as const;

/** What a client is told in place of a response that no link carries. */
export function tooLarge(bytes: number): string {
  return `etcdserver: the response is too large (${bytes} bytes, at most ${limits.responseBytesMax}): ask for less with a limit`;
}
