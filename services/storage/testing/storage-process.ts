import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Errors } from '../../../libs/errors';
import { BatchClient, type BatchReply, type Channel, connect, createLink, type Link } from '../../../libs/rpc';
import { decodeResultBatch, encodeResultsRequest, type Result, STORAGE_PATHS } from '../../../proto/gen/hexad';
import type { Identity } from '../state/ids';
import { FakeRaft } from './fake-raft';

const MAIN = resolve(__dirname, '../../../dist/services/storage/main.js');
const IDENTITY: Identity = { clusterId: 0xc1n, memberId: 0xa1n };

/** A real storage process on a directory of its own, beside a fake raft. Needs a build. */
export class StorageProcess {
  readonly directory = mkdtempSync(join(tmpdir(), 'hexad-storage-'));
  readonly raft = new FakeRaft(join(this.directory, 'raft.sock'), IDENTITY);
  readonly channel: Channel;
  readonly reads: BatchClient;
  readonly results: Result[] = [];
  readonly termsStarted: number[] = [];
  private readonly resultsLink: Link;
  private readonly configFile = join(this.directory, 'config.json');
  private child: ChildProcess | undefined;
  private log = '';

  constructor(
    readonly origin = 42,
    private readonly quotaBackendBytes = 0,
    /** Milliseconds; 0: no automatic compaction. */
    private readonly compactionRetention = 0,
    private readonly autoDisarm = false,
  ) {
    writeFileSync(this.configFile, JSON.stringify(this.config()));
    this.channel = connect({ kind: 'unix', path: join(this.directory, 'storage.sock') }, { maxReceiveBytes: 1 << 26 });
    this.reads = new BatchClient({
      channel: this.channel,
      path: STORAGE_PATHS.Read,
      lostError: Errors.TimeoutConnectionLost.id,
      busyError: Errors.TooManyRequests.id,
    });
    this.resultsLink = createLink({
      channel: this.channel,
      path: STORAGE_PATHS.Results,
      firstMessage: () => encodeResultsRequest({ origin }),
      onMessage: (message) => {
        const batch = decodeResultBatch(message);
        this.results.push(...batch.results);
        if (batch.termStarted > 0) this.termsStarted.push(batch.termStarted);
      },
    });
  }

  /** Starts the process; resolves when it serves reads and results. */
  async start(): Promise<void> {
    this.child = spawn(process.execPath, [MAIN, '--config-json', this.configFile], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk.toString();
    });
    await this.until(() => this.reads.isOpen && this.resultsLink.isOpen);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const { child } = this;
    if (child === undefined) return null;
    this.child = undefined;
    const ended = new Promise<number | null>((done) => child.once('exit', done));
    const code = child.kill(signal) ? await ended : child.exitCode;
    await this.until(() => !this.reads.isOpen && !this.resultsLink.isOpen);
    return code;
  }

  async destroy(): Promise<void> {
    this.reads.close();
    this.resultsLink.close();
    this.channel.close();
    await this.kill();
    await this.raft.stop();
    rmSync(this.directory, { recursive: true });
  }

  read(method: number, payload: Uint8Array, options: { requiredIndex?: number } = {}): Promise<BatchReply> {
    return new Promise((done) => this.reads.call(method, payload, options, done));
  }

  async until(condition: () => boolean): Promise<void> {
    const giveUpAt = performance.now() + 10_000;
    while (!condition()) {
      if (this.child !== undefined && this.child.exitCode !== null) throw new Error(`storage ended:\n${this.log}`);
      if (performance.now() > giveUpAt) throw new Error(`waited in vain for ${condition.toString()}\n${this.log}`);
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  private config(): object {
    const { directory, quotaBackendBytes, compactionRetention } = this;
    const address = (name: string): string => `unix:${join(directory, `${name}.sock`)}`;
    return {
      process: 'storage',
      name: 'm1',
      memberId: 'a1',
      clusterId: 'c1',
      clusterState: 'new',
      initialMembers: [],
      rpcEngine: 'grpc-js',
      eventBus: null,
      addresses: { raft: address('raft'), storage: address('storage') },
      paths: { storeDir: join(directory, 'db') },
      urls: { advertiseClient: ['http://127.0.0.1:2379'], listenMetrics: [] },
      timing: { autoCompactionMode: 'periodic', autoCompactionRetention: compactionRetention },
      limits: { quotaBackendBytes, autoDisarm: this.autoDisarm },
      internalTls: null,
      checks: { divergence: true, initialCorrupt: false, corruptMs: 0, scrubBytesPerSecond: 0 },
      telemetry: { enabled: false, stageStamps: true },
      log: { level: 'info', format: 'json', outputs: ['default'], rotation: null },
    };
  }
}
