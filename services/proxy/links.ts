import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import type { Attachment } from '../../libs/attachment';
import { type Channel, createLink, type Link } from '../../libs/rpc';
import type { ProcessConfig } from '../../libs/config';
import {
  encodeFeedRequest,
  encodeRaftStatusRequest,
  encodeResultsRequest,
  FeedTopic,
  RAFT_PATHS,
  STORAGE_PATHS,
} from '../../proto/gen/hexad';
import type { MemberView } from './member-view';
import type { ReadPipeline } from './reads';
import type { WritePipeline } from './writes';

export interface LinkTargets {
  readonly view: MemberView;
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly attachment: Attachment;
}

export interface Links {
  /** For single calls to raft. */
  readonly raft: Channel;
  /** Whether raft and storage are there. */
  readonly areUp: boolean;
  close(): void;
}

/**
 * Every stream to raft and storage. Answers to reads can be large, so they have a connection of their own beside results and
 * feed.
 */
export function openLinks(
  config: Pick<ProcessConfig, 'rpcEngine'>,
  { view, writes, reads, attachment }: LinkTargets,
): Links {
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const raft = attachment.channel('raft', channelOptions);
  const storage = attachment.channel('storage', channelOptions);
  const storageReads = attachment.channel('storage', channelOptions);
  const links: Link[] = [
    createLink({
      channel: raft,
      path: RAFT_PATHS.Status,
      firstMessage: () => encodeRaftStatusRequest({}),
      onMessage: (message) => view.onStatusBytes(message),
      onClose: () => view.statusLost(),
    }),
    createLink({
      channel: raft,
      path: RAFT_PATHS.Propose,
      onOpen: (stream) => writes.proposeOpened((batch) => stream.send(batch)),
      onMessage: (message) => writes.onProposeReplyBatch(message),
      onClose: () => writes.proposeBroken(),
    }),
    createLink({
      channel: raft,
      path: RAFT_PATHS.ReadIndex,
      onOpen: (stream) => reads.readIndexOpened((batch) => stream.send(batch)),
      onMessage: (message) => reads.onReadIndexReplies(message),
      onClose: () => reads.readIndexBroken(),
    }),
    createLink({
      channel: storage,
      path: STORAGE_PATHS.Results,
      firstMessage: () => encodeResultsRequest({ origin: writes.origin }),
      onOpen: () => writes.resultsOpened(),
      onMessage: (message) => writes.onResultBatch(message),
      onClose: () => writes.resultsBroken(),
    }),
    createLink({
      channel: storage,
      path: STORAGE_PATHS.Feed,
      firstMessage: () => encodeFeedRequest({ topics: [FeedTopic.FEED_AUTH, FeedTopic.FEED_CLUSTER] }),
      onMessage: (message) => view.onFeedBytes(message),
      onClose: () => view.feedLost(),
    }),
    createLink({
      channel: storageReads,
      path: STORAGE_PATHS.Read,
      onOpen: (stream) => reads.storageOpened((batch) => stream.send(batch)),
      onMessage: (message) => reads.onReplyBatch(message),
      onClose: () => reads.storageBroken(),
    }),
  ];
  return {
    raft,
    get areUp() {
      return links.every(({ isOpen }) => isOpen);
    },
    close: () => {
      for (const link of links) link.close();
      for (const channel of [raft, storage, storageReads]) channel.close();
    },
  };
}
