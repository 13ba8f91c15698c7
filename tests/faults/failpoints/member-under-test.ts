import { existsSync } from 'node:fs';
import { request } from 'node:http';
import type { FailpointName } from '../../../libs/failpoints';
import { Cluster, type Member } from '../../system/support/cluster';
import { freePorts } from '../../system/support/ports';
import { waitFor } from '../../system/support/wait-for';

/** Little is kept, so that segments come and go, and a member falls behind, within a second. */
const FLAGS = ['--wal-segment-bytes=16384', '--snapshot-catchup-entries=100'];
const DEATH_MS = 40_000;
/** Of a member that panicked. */
const EXIT_PANIC = 2;

/** A cluster whose members can be made to fail: each has gofail's endpoint, and an environment that a start takes over. */
export class FailingCluster {
  private constructor(
    readonly cluster: Cluster,
    private readonly environments: readonly NodeJS.ProcessEnv[],
    private readonly ports: readonly number[],
  ) {}

  static async create(members: number): Promise<FailingCluster> {
    const ports = await freePorts(members);
    const environments = ports.map((port): NodeJS.ProcessEnv => ({ GOFAIL_HTTP: `127.0.0.1:${port}` }));
    const parent = existsSync('/dev/shm') ? { parent: '/dev/shm' } : {};
    const env = (at: number): NodeJS.ProcessEnv => environments[at] ?? {};
    const cluster = await Cluster.create({ members, flags: FLAGS, env, ...parent });
    return new FailingCluster(cluster, environments, ports);
  }

  member(at: number): Member {
    return this.cluster.member(at);
  }

  /** What the member's next starts begin with; undefined: nothing is set. */
  setAtStart(at: number, settings: string | undefined): void {
    const environment = this.environments[at] ?? {};
    if (settings === undefined) delete environment['GOFAIL_FAILPOINTS'];
    else environment['GOFAIL_FAILPOINTS'] = settings;
  }

  set(at: number, point: FailpointName, terms: string): Promise<HttpAnswer> {
    return this.ask(at, 'PUT', `/${point}`, terms);
  }

  clear(at: number, point: FailpointName): Promise<HttpAnswer> {
    return this.ask(at, 'DELETE', `/${point}`);
  }

  ask(at: number, method: string, path: string, body = ''): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const options = { port: this.ports[at], host: '127.0.0.1', method, path, agent: false } as const;
      const call = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      call.once('error', reject);
      call.end(body);
    });
  }

  /**
   * Waits for the member to die of this point: all of it, at once, and saying why. Gives what was not so.
   *
   * @throws Error when it does not die, so that nothing led to the point
   */
  async dies(at: number, point: FailpointName, pids: readonly number[]): Promise<string[]> {
    const member = this.member(at);
    await waitFor(`${member.name} to die at ${point}`, () => member.hasEnded, DEATH_MS);
    const problems: string[] = [];
    const code = await member.ended();
    if (code !== EXIT_PANIC) problems.push(`${member.name} ended with ${code}:\n${member.log.slice(-2_000)}`);
    if (!member.log.includes(`hexad: failpoint panic: ${point}`))
      problems.push(`${member.name} did not say why it died`);
    const left = pids.filter((pid) => existsSync(`/proc/${pid}/exe`));
    if (left.length > 0) problems.push(`${left.length} processes of ${member.name} outlived it`);
    return problems;
  }

  async end(): Promise<void> {
    await this.cluster.destroy();
  }
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}
