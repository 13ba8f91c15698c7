import { type Channel, createLink, type Link } from '../rpc';
import { decodeRaftStatus, encodeRaftStatusRequest, RAFT_PATHS, type RaftStatus } from '../../proto/gen/hexad';

/** Raft's status as it changes; undefined while raft can't be reached. */
export class RaftStatusLink {
  private readonly link: Link;
  private latest: RaftStatus | undefined;

  constructor(channel: Channel, onChange: (status: RaftStatus | undefined) => void) {
    this.link = createLink({
      channel,
      path: RAFT_PATHS.Status,
      firstMessage: () => encodeRaftStatusRequest({}),
      onMessage: (message) => {
        this.latest = decodeRaftStatus(message);
        onChange(this.latest);
      },
      onClose: () => {
        this.latest = undefined;
        onChange(undefined);
      },
    });
  }

  get status(): RaftStatus | undefined {
    return this.latest;
  }

  close(): void {
    this.link.close();
  }
}
