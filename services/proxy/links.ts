import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import { parseAddress } from '../../libs/process';
import { type Channel, connect, createLink, type Link } from '../../libs/rpc';
import type { ProcessConfig, ProcessName } from '../../libs/config';
import {
  encodeFeedRequest,
  encodeRaftStatusRequest,
  encodeResultsRequest,
  FeedTopic,
  RAFT_PATHS,
  STORAGE_PATHS,
  WATCH_HUB_PATHS,
} from '../../proto/gen/hexad';
import type { MemberView } from './member-view';
import type { ReadPipeline } from './reads';
import type { HubClient } from './watch/hub-client';
import type { WritePipeline } from './writes';

export interface LinkTargets {
  readonly view: MemberView;
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly hub: HubClient;
}

export interface Links {
  /** For single calls to raft. */
  readonly raft: Channel;
  close(): void;
}

/**
 * Every stream to a sibling. Answers to reads can be large, so they have a connection of their own beside results and
 * feed; watch events likewise.
 */
export function openLinks(config: ProcessConfig, { view, writes, reads, hub }: LinkTargets): Links {
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const dial = (name: ProcessName): Channel => connect(parseAddress(config.addresses[name]), channelOptions);
  const raft = dial('raft');
  const storage = dial('storage');
  const storageReads = dial('storage');
  const watch = dial('watch');
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
    createLink({
      channel: watch,
      path: WATCH_HUB_PATHS.Watch,
      onOpen: (stream) => hub.opened((message) => stream.send(message)),
      onMessage: (message) => hub.onMessage(message),
      onClose: () => hub.broken(),
    }),
  ];
  return {
    raft,
    close: () => {
      for (const link of links) link.close();
      for (const channel of [raft, storage, storageReads, watch]) channel.close();
    },
  };
}
