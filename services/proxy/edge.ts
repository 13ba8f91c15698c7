import { randomBytes } from 'node:crypto';
import type { Attachment, Sibling } from '../../libs/attachment';
import { Errors, type RpcError } from '../../libs/errors';
import type { Messenger } from '../../libs/event-bus';
import { PROPOSALS_IN_FLIGHT_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX } from '../../libs/limits';
import type { Logger } from '../../libs/process';
import type { ProcessConfig } from '../../libs/config';
import type { Tracing } from '../../libs/telemetry';
import type { RequestObserver } from './requests';
import { AUTH_PATHS, LEASE_PATHS } from '../../proto/gen/hexad';
import { Admission } from './admission';
import { Attribution } from './attribution/attribution';
import { authRoutes } from './auth-routes';
import { Authenticator } from './auth/authenticator';
import { createJwtVerifier } from '../../libs/auth-token';
import { clusterRoutes } from './cluster';
import { electionRoutes } from './concurrency/election';
import { lockRoutes } from './concurrency/lock';
import { type ProxySettings, SERVER_VERSION } from './config';
import { Headers } from './headers';
import { HealthService } from './health';
import type { Metrics } from './http/metrics';
import { insightRoutes } from './insight';
import { kvRoutes } from './kv';
import { leaseRoutes } from './lease';
import { forwardLargeRange, type LargeRead } from './large-range';
import { Limits } from './limits';
import { type Links, openLinks } from './links';
import { maintenanceRoutes } from './maintenance';
import { MemberView } from './member-view';
import { Permissions } from './permissions';
import { ReadPipeline } from './reads';
import { Router, type RouterOptions } from './router';
import { SiblingCalls } from './sibling-calls';
import { SiblingInspector } from './sibling-inspector';
import { SlowRequests } from './slow-requests';
import { MemberGuard } from './member-guard';
import { HubClient } from './watch/hub-client';
import { HubLinks } from './watch/hub-links';
import { WatchRights } from './watch/rights';
import { watchRoutes } from './watch/routes';
import { storageDialler } from './snapshot';
import { WritePipeline } from './writes';

const now = (): number => performance.now();
const afterArrivals = (callback: () => void): void => void setImmediate(callback);

/** 48 random bits, so that nothing of an earlier run of this process can be taken for ours. */
function randomOrigin(): number {
  return randomBytes(6).readUIntBE(0, 6);
}

/** Everything behind the listeners: the pipelines, the view of the member, the links to the siblings and the routes. */
export class Edge {
  readonly view: MemberView;
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly hub: HubClient;
  readonly router: Router;
  readonly authenticator: Authenticator;
  readonly headers: Headers;
  readonly permissions: Permissions;
  readonly attribution: Attribution;
  readonly siblings: SiblingInspector;
  private readonly leases: SiblingCalls;
  private readonly auth: SiblingCalls;
  private readonly links: Links;
  private readonly slowRequests: SlowRequests;
  private readonly health: HealthService;
  private readonly hubLinks: HubLinks;
  private readonly guard: MemberGuard | undefined;
  private readonly rights: WatchRights | undefined;
  private readonly timer: NodeJS.Timeout;
  private lastProbeAt = now();

  constructor(
    private readonly config: ProcessConfig,
    private readonly settings: ProxySettings,
    private readonly logger: Logger,
    startTrace: RouterOptions['startTrace'],
    tracing: Tracing,
    readonly attachment: Attachment,
    messenger: Messenger | undefined,
  ) {
    const { timeoutMs } = settings;
    this.view = this.createView();
    this.authenticator = new Authenticator({
      view: this.view,
      tokenTtlMs: config.timing.authTokenTtlSeconds * 1000,
      jwt: settings.authToken.kind === 'jwt' ? createJwtVerifier(settings.authToken) : undefined,
      timeoutMs,
      now,
      wallClock: Date.now,
    });
    const { maxRequestBytes } = config.limits;
    const term = (): number => this.view.term;
    const timing = { timeoutMs, now, afterArrivals };
    const origin = randomOrigin();
    this.attribution = new Attribution({ config, origin, view: this.view, logger, tracing });
    const { recorder, watch } = this.attribution;
    this.hub = new HubClient({ afterArrivals, knownRevision: () => this.headers.revision(), times: watch });
    const entryFormat = (): number => this.view.entryFormat;
    this.writes = new WritePipeline({ origin, maxRequestBytes, ...timing, term, entryFormat, recorder });
    const dialStorage = storageDialler(config, attachment);
    const onLarge = (read: LargeRead): void => forwardLargeRange(dialStorage, read);
    this.reads = new ReadPipeline({ ...timing, firstContext: randomOrigin(), onLarge, recorder });
    this.headers = new Headers(this.view, this.writes, this.reads);
    this.permissions = new Permissions(this.reads, this.view);
    const slowMs = config.timing.warningUnaryRequestMs;
    this.slowRequests = new SlowRequests(logger);
    const slow: RequestObserver['slow'] = (...args) => this.slowRequests.note(...args, now());
    const observer = { slowMs, now, slow, recorder };
    const admission = new Admission({ requestsMax: REQUESTS_IN_FLIGHT_MAX, bytesMax: PROPOSALS_IN_FLIGHT_BYTES_MAX });
    this.router = new Router({ view: this.view, authenticator: this.authenticator, observer, admission, startTrace });
    const services = (): string[] => this.router.stats.map(({ service }) => service);
    this.health = new HealthService({ view: this.view, services });
    this.leases = this.sibling('lease', LEASE_PATHS.Calls, Errors.NotPrimaryLessor);
    this.auth = this.sibling('auth', AUTH_PATHS.Calls, Errors.Timeout);
    this.rights = config.watchRecheckPermissions ? new WatchRights(this.permissions, this.view) : undefined;
    this.links = openLinks(config, this);
    this.siblings = new SiblingInspector(config, () => [...this.hub.hubs].map(({ name }) => name));
    this.hubLinks = this.openHubs(messenger);
    this.guard = config.tiers.attach === null ? undefined : this.guardMember();
    attachment.onMoved(() => this.view.memberMoved());
    this.addRoutes();
    this.timer = setInterval(() => this.sweep(), Limits.sweepMs);
  }

  /** A leader is known and the cluster knows this member's name and client URLs. */
  get isReady(): boolean {
    const self = this.view.members.get(this.view.memberId);
    return this.view.feedReady && this.view.hasLeader && self !== undefined && self.name !== '';
  }

  /** Adds hexad.Insight, which tells what `metrics` knows too. */
  addInsight(metrics: Metrics): void {
    const { view, attribution, permissions, siblings, logger, router } = this;
    const { name } = this.config;
    router.add(insightRoutes({ name, attribution, stats: router.stats, metrics, view, permissions, siblings, logger }));
  }

  /** Answers what is under way with an error; nothing is answered after it. */
  close(): void {
    clearInterval(this.timer);
    this.writes.stop(Errors.Stopped);
    this.reads.stop(Errors.Stopped);
    this.attribution.settle();
    this.leases.close();
    this.auth.close();
    this.links.close();
    this.siblings.close();
    this.hubLinks.close();
  }

  private openHubs(messenger: Messenger | undefined): HubLinks {
    const { config, hub, settings } = this;
    const { clusterId } = settings;
    const { watchHubs: hubs } = config.tiers;
    return new HubLinks({ hub, engine: config.rpcEngine, own: config.addresses.watch, hubs, clusterId, messenger });
  }

  private guardMember(): MemberGuard {
    const { attachment, view, settings } = this;
    const { leaderlessMaxMs } = settings;
    return new MemberGuard({ attachment, view, areUp: () => this.links.areUp, leaderlessMaxMs });
  }

  private createView(): MemberView {
    const { clusterId, memberId } = this.settings;
    const events = {
      onLeader: () => this.reads.leaderKnown(),
      onTokens: (...changes: Parameters<Authenticator['applyTokens']>) => this.authenticator.applyTokens(...changes),
      onAuth: (enabled: boolean) => {
        if (!enabled) this.authenticator.authDisabled();
      },
    };
    return new MemberView({ clusterId, memberId }, events, now);
  }

  private sibling(name: Sibling, path: string, lostError: RpcError & { readonly id: number }): SiblingCalls {
    const channel = this.attachment.channel(name, { engine: this.config.rpcEngine });
    const { timeoutMs } = this.settings;
    return new SiblingCalls({ channel, path, lostError, timeoutMs, now });
  }

  private addRoutes(): void {
    const { config, settings, writes, reads, view, headers, permissions, router, hub, leases, auth } = this;
    const { maxTxnOps, maxRequestBytes, maxLearners } = config.limits;
    const { timeoutMs, fragmentBytes, leaseTtlMin } = settings;
    const { clusterToken } = config;
    const { strictReconfigCheck } = config.raft;
    router.add(kvRoutes({ writes, reads, router, maxTxnOps, maxRequestBytes }));
    router.add(
      watchRoutes({
        hub,
        headers,
        router,
        permissions,
        fragmentBytes,
        rights: this.rights,
        times: this.attribution.watch,
      }),
    );
    router.add(leaseRoutes({ writes, reads, router, leases, permissions, headers, ttlMin: leaseTtlMin }));
    router.add(authRoutes({ writes, reads, auth, view, headers, now }));
    router.add(
      clusterRoutes({
        writes,
        reads,
        view,
        permissions,
        clusterToken,
        maxLearners,
        strictReconfigCheck,
        wallClock: Date.now,
      }),
    );
    const { raft } = this.links;
    const dialStorage = storageDialler(config, this.attachment);
    const version = SERVER_VERSION;
    router.add(
      maintenanceRoutes({ writes, reads, view, router, permissions, headers, raft, dialStorage, version, timeoutMs }),
    );
    router.add(lockRoutes({ writes, reads, hub }));
    router.add(electionRoutes({ writes, reads, hub }, router));
    router.add(this.health.routes());
  }

  /** The one timer for all deadlines. */
  private sweep(): void {
    const at = now();
    this.writes.sweep(at);
    this.reads.sweep(at);
    this.view.sweep(at);
    this.leases.sweep(at);
    this.auth.sweep(at);
    this.attribution.sweep(at);
    this.router.sweep(at, this.settings.leaderlessMaxMs);
    this.slowRequests.sweep(at);
    this.health.sweep();
    this.guard?.sweep(at);
    this.rights?.sweep();
    if (at - this.lastProbeAt < Limits.watchProgressEveryMs) return;
    this.lastProbeAt = at;
    this.authenticator.sweep(at);
    this.hub.probeProgress(this.headers.revision());
  }
}
