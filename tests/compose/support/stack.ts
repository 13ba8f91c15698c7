import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { DockerComposeEnvironment, Wait } from 'testcontainers';
import { ROOT } from '../../system/support/cluster';
import { freePorts } from '../../system/support/ports';
import { run, type RunResult } from '../../system/support/tools';
import { waitFor } from '../../system/support/wait-for';

// The reaper is one more container that would have to be pulled; `destroy` takes everything away.
process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';

export const IMAGE = process.env['HEXAD_TEST_IMAGE'] ?? 'hexad:test';
const COMMAND_MS = 120_000;

/** `describe`, or a skipped one with the reason, where there is no engine for containers and none can be started. */
export function describeWithEngine(name: string, body: () => void, ...prepare: 'observability'[]): void {
  const { status, stdout } = spawnSync('sh', [join(ROOT, 'tests/compose/prepare.sh'), ...prepare], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status === 75) describe.skip(`${name} (${stdout.trim()})`, body);
  else describe(name, body);
}

export interface StackOptions {
  /** Besides docker-compose.yml; relative to the repository. */
  readonly overlays?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Without TLS. */
  readonly plain?: boolean;
  /** Services of profiles that are started too. */
  readonly also?: readonly string[];
}

export interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The compose file, up and running under a project name of its own. */
export class Stack {
  private constructor(
    readonly project: string,
    private readonly files: readonly string[],
    private readonly env: Readonly<Record<string, string>>,
    readonly port: number,
    private readonly directory: string,
    private readonly plain: boolean,
  ) {}

  /** Up, with every container healthy. */
  static async start(options: StackOptions = {}): Promise<Stack> {
    const [port = 0] = await freePorts(1);
    const project = `hexad${process.pid}x${port}`;
    const files = ['docker-compose.yml', ...(options.overlays ?? [])];
    const env = {
      HEXAD_IMAGE: IMAGE,
      HEXAD_PORT: String(port),
      HEXAD_CLIENT_URL: `https://localhost:${port}`,
      HEXAD_HEALTH_INTERVAL: '2s',
      ...options.environment,
    };
    const directory = mkdtempSync(join(tmpdir(), 'hexad-compose-'));
    const stack = new Stack(project, files, env, port, directory, options.plain ?? false);
    await new DockerComposeEnvironment(ROOT, [...files])
      .withProjectName(project)
      .withEnvironment(env)
      .withClientOptions({ executable: { executablePath: 'docker-compose', standalone: true } } as never)
      .withDefaultWaitStrategy(Wait.forHealthCheck())
      .withWaitStrategy('certificates_1', Wait.forOneShotStartup())
      .withStartupTimeout(COMMAND_MS)
      .up();
    const also = options.also ?? [];
    if (also.length > 0) {
      await stack.compose('up', '--detach', ...also);
      await stack.healthy(also);
    }
    await stack.docker('cp', `${(await stack.containers('certificates'))[0] ?? ''}:/certs/client/.`, directory);
    return stack;
  }

  /** Removes the containers, networks and volumes. */
  async destroy(): Promise<void> {
    await this.compose('down', '--volumes', '--remove-orphans', '--timeout', '1');
    rmSync(this.directory, { recursive: true, force: true });
  }

  get endpoint(): string {
    return `localhost:${this.port}`;
  }

  get credentials(): Credentials {
    const file = (name: string): string => join(this.directory, `${name}.pem`);
    return { ca: file('ca'), cert: file('cert'), key: file('cert-key') };
  }

  /** docker-compose on this stack; a failure is an error. */
  compose(...args: string[]): Promise<string> {
    return this.composeWith({}, ...args);
  }

  composeWith(env: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
    return this.must('docker-compose', [...this.selection, ...args], env);
  }

  /** The same containers as seen with more overlays and settings. */
  with(overlays: readonly string[], env: Readonly<Record<string, string>>): Stack {
    const all = { ...this.env, ...env };
    return new Stack(this.project, [...this.files, ...overlays], all, this.port, this.directory, this.plain);
  }

  /** For the scripts of deploy/. */
  get environment(): NodeJS.ProcessEnv {
    return { ...this.env, COMPOSE: ['docker-compose', ...this.selection].join(' ') };
  }

  private get selection(): string[] {
    return ['-p', this.project, ...this.files.flatMap((file) => ['-f', join(ROOT, file)])];
  }

  docker(...args: string[]): Promise<string> {
    return this.must('docker', args);
  }

  private async must(
    tool: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await run(tool, args, { env: { ...this.env, ...env }, timeoutMs: COMMAND_MS });
    if (code !== 0) throw new Error(`${tool} ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Ids of the containers of a service that exist, stopped ones included. */
  async containers(service: string): Promise<string[]> {
    const filters = [`project=${this.project}`, `service=${service}`].flatMap((label) => [
      '--filter',
      `label=com.docker.compose.${label}`,
    ]);
    return (await this.docker('ps', '--all', '--quiet', ...filters)).split('\n').filter((id) => id !== '');
  }

  async services(): Promise<string[]> {
    return (await this.compose('config', '--services')).split('\n').filter((name) => name !== '');
  }

  async inspect<T>(container: string, format: string): Promise<T> {
    return JSON.parse(await this.docker('inspect', '--format', `{{json ${format}}}`, container)) as T;
  }

  /** Every container of these services runs and, if it has a health check, says that it is well. */
  async healthy(services: readonly string[], timeoutMs = 60_000): Promise<void> {
    await waitFor(
      `${services.join(', ')} to be healthy`,
      async () => {
        for (const service of services) {
          const ids = await this.containers(service);
          if (ids.length === 0) return false;
          for (const id of ids) {
            const state = await this.inspect<{ Running: boolean; Health?: { Status: string } }>(id, '.State');
            if (!state.Running || (state.Health?.Status ?? 'healthy') !== 'healthy') return false;
          }
        }
        return true;
      },
      timeoutMs,
    );
  }

  /** Address of each container of a service on the private network. */
  async addresses(service: string): Promise<string[]> {
    const found: string[] = [];
    for (const id of await this.containers(service)) {
      const networks = await this.inspect<Record<string, { IPAddress: string }>>(id, '.NetworkSettings.Networks');
      found.push(networks[`${this.project}_private`]?.IPAddress ?? '');
    }
    return found;
  }

  etcdctl(...args: string[]): Promise<RunResult> {
    const { ca, cert, key } = this.credentials;
    const tls = this.plain ? [] : ['--cacert', ca, '--cert', cert, '--key', key];
    const endpoint = this.plain ? this.endpoint : `https://${this.endpoint}`;
    return run('etcdctl', ['--endpoints', endpoint, ...tls, ...args], { env: { ETCDCTL_API: '3' } });
  }

  /** Like `etcdctl`, but a failure is an error. */
  async ctl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.etcdctl(...args);
    if (code !== 0) throw new Error(`etcdctl ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** A client of the edge, or of one proxy by its address on the private network. */
  client(address = this.endpoint): Etcd3 {
    const { ca, cert, key } = this.credentials;
    return new Etcd3({
      hosts: `https://${address}`,
      credentials: {
        rootCertificate: readFileSync(ca),
        certChain: readFileSync(cert),
        privateKey: readFileSync(key),
      },
      grpcOptions: { 'grpc.ssl_target_name_override': 'localhost' },
    });
  }

  /** All that a service has logged. */
  logs(service: string): Promise<string> {
    return this.compose('logs', '--no-color', service);
  }
}
