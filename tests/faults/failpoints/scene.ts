import type { FailpointName } from '../../../libs/failpoints';
import {
  decodeHashKVResponse,
  encodeHashKVRequest,
  encodePutRequest,
  KV_PATHS,
  MAINTENANCE_PATHS,
} from '../../../proto/gen/etcdserverpb';
import { waitFor } from '../../system/support/wait-for';
import { MemberClient } from '../client';
import { Random } from '../disk/random';
import { PowerLoad } from '../power-load';
import { ACTS } from './acts';
import { FailingCluster } from './member-under-test';

const TIMEOUT_MS = 5_000;
const AGREE_MS = 40_000;

/** A cluster under write load that is led to one point after another, dies there, and must come back with everything. */
export abstract class Scene {
  protected readonly load: PowerLoad;

  protected constructor(
    protected readonly failing: FailingCluster,
    seed: number,
  ) {
    this.load = new PowerLoad(new Random(seed), this.count > 1);
  }

  /** Leads to the point and looks at what is there afterwards. Gives what was wrong. */
  abstract run(point: FailpointName): Promise<string[]>;

  get acknowledged(): number {
    return this.load.acknowledged;
  }

  get logs(): string {
    return this.failing.cluster.members.map(({ name, log }) => `== ${name}\n${log.slice(-6_000)}`).join('\n');
  }

  async end(): Promise<void> {
    await this.load.stop();
    await this.failing.end();
  }

  protected get count(): number {
    return this.failing.cluster.members.length;
  }

  protected async startAll(): Promise<void> {
    const down = this.failing.cluster.members.filter((member) => member.pid === 0 || member.hasEnded);
    for (const member of down) member.spawn();
    await Promise.all(down.map((member) => member.ready()));
  }

  /** Sets the point at a member that runs, writes and acts until that has died of it. */
  protected async killAt(
    at: number,
    point: FailpointName,
    endpoint = this.failing.member(at).endpoint,
  ): Promise<string[]> {
    const member = this.failing.member(at);
    const pids = member.childPids();
    this.load.start(this.failing.cluster.endpoints);
    // It may be dead before it has answered.
    const { status, text } = await this.failing.set(at, point, 'panic').catch(() => ({ status: 204, text: '' }));
    if (status !== 204) return [`${point} could not be set: ${status} ${text}`];
    const client = new MemberClient(endpoint);
    const dead = this.failing.dies(at, point, pids);
    const acting = this.actUntilDeath(at, point, client);
    try {
      return await dead;
    } finally {
      await acting;
      client.close();
      await this.load.stop();
    }
  }

  private async actUntilDeath(at: number, point: FailpointName, client: MemberClient): Promise<void> {
    const act = ACTS[point];
    if (act === undefined) return;
    await waitFor(
      'the member to be dead',
      async () => {
        if (this.failing.member(at).hasEnded) return true;
        await act(client);
        return false;
      },
      60_000,
    ).catch(() => undefined); // that it did not die is said by who waits for its death
  }

  /** Everything that was acknowledged is there, on all members alike, and they take writes. */
  protected async verify(): Promise<string[]> {
    const problems: string[] = [];
    for (const { endpoint, name } of this.failing.cluster.members)
      for (const problem of await this.load.verify(endpoint)) problems.push(`${name}: ${problem}`);
    await this.takesWrites();
    await this.agree();
    return problems;
  }

  private async takesWrites(): Promise<void> {
    for (const { endpoint, name } of this.failing.cluster.members) {
      const client = new MemberClient(endpoint);
      const put = encodePutRequest({ key: Buffer.from('alive'), value: Buffer.from(name) });
      try {
        await waitFor(
          `${name} to take writes`,
          async () => (await client.call(KV_PATHS.Put, put, TIMEOUT_MS)).ok,
          AGREE_MS,
        );
      } finally {
        client.close();
      }
    }
  }

  private async agree(): Promise<void> {
    const clients = this.failing.cluster.endpoints.map((endpoint) => new MemberClient(endpoint));
    let last = '';
    const same = async (): Promise<boolean> => {
      const hashes = await Promise.all(clients.map((client) => hashOf(client)));
      last = hashes.join(' ');
      return new Set(hashes).size === 1 && hashes[0] !== undefined;
    };
    try {
      await waitFor('the members to hold the same', same, AGREE_MS);
    } catch (error) {
      throw new Error(`${String(error)}: ${last}`);
    } finally {
      for (const client of clients) client.close();
    }
  }
}

/** Hash, revision and compacted revision; undefined: no answer. */
async function hashOf(client: MemberClient): Promise<string | undefined> {
  const answer = await client.call(MAINTENANCE_PATHS.HashKV, encodeHashKVRequest({}), TIMEOUT_MS);
  if (!answer.ok) return undefined;
  const { hash, hashRevision, compactRevision } = decodeHashKVResponse(answer.bytes);
  return `${hash}/${hashRevision}/${compactRevision}`;
}
