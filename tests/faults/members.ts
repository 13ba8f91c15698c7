import { decodeStatusResponse, encodeStatusRequest, MAINTENANCE_PATHS } from '../../proto/gen/etcdserverpb';
import { MemberClient } from './client';

const TIMEOUT_MS = 700;

export interface MemberStatus {
  readonly isLeader: boolean;
  readonly term: number;
  readonly revision: number;
}

/** Asks the members how they are, each over a connection of its own. */
export class MemberStatuses {
  private readonly clients: MemberClient[];

  constructor(endpoints: readonly string[]) {
    this.clients = endpoints.map((endpoint) => new MemberClient(endpoint));
  }

  async all(): Promise<readonly (MemberStatus | undefined)[]> {
    return Promise.all(this.clients.map((client) => status(client)));
  }

  /** The member that leads in the highest term that is heard of. */
  async leader(): Promise<number | undefined> {
    const statuses = await this.all();
    let best: number | undefined;
    for (const [member, one] of statuses.entries()) {
      if (one?.isLeader === true && one.term > (best === undefined ? 0 : (statuses[best]?.term ?? 0))) best = member;
    }
    return best;
  }

  async highestTerm(): Promise<number> {
    return Math.max(0, ...(await this.all()).map((one) => one?.term ?? 0));
  }

  close(): void {
    for (const client of this.clients) client.close();
  }
}

async function status(client: MemberClient): Promise<MemberStatus | undefined> {
  const answer = await client.call(MAINTENANCE_PATHS.Status, encodeStatusRequest({}), TIMEOUT_MS);
  if (!answer.ok) return undefined;
  const { header, leader, raftTerm } = decodeStatusResponse(answer.bytes);
  const isLeader = leader !== 0n && leader === header?.memberId;
  return { isLeader, term: Number(raftTerm), revision: Number(header?.revision ?? 0) };
}
