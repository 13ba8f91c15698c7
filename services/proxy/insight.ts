import { STAGES } from '../../libs/attribution';
import type { OpSummary, SlowestDocument, StageSummary, TopDocument } from '../../libs/client';
import { Errors } from '../../libs/errors';
import { isLogLevel, type Logger, setLogLevel } from '../../libs/process';
import {
  decodeInsightLogLevelRequest,
  decodeInsightSlowestRequest,
  decodeInsightTopRequest,
  decodeInsightTraceRequest,
  encodeInsightDocument,
  INSIGHT_PATHS,
} from '../../proto/gen/hexad';
import type { Attribution } from './attribution/attribution';
import type { OpStats } from './attribution/op-stats';
import type { Metrics } from './http/metrics';
import type { MemberView } from './member-view';
import type { MethodStats } from './method-stats';
import type { Permissions } from './permissions';
import type { UnaryRequest } from './requests';
import type { Routes, UnaryRoute } from './router';
import type { SiblingInspector } from './sibling-inspector';

const COUNT_DEFAULT = 20;
const COUNT_MAX = 1000;
const HOT_ENTRIES = 10;

export interface InsightOptions {
  readonly name: string;
  readonly attribution: Attribution;
  readonly stats: readonly MethodStats[];
  readonly metrics: Metrics;
  readonly view: MemberView;
  readonly permissions: Permissions;
  readonly siblings: SiblingInspector;
  readonly logger: Logger;
}

/** hexad.Insight: what this member remembers of where the time of its requests went. */
export function insightRoutes(options: InsightOptions): Routes {
  const asRoot = (document: (request: UnaryRequest) => object | Promise<object>): UnaryRoute => ({
    learner: true,
    handle: (request) =>
      options.permissions.asRoot(request, () => {
        options.attribution.settle();
        void answer(request, document);
      }),
  });
  return {
    unary: {
      [INSIGHT_PATHS.Slowest]: asRoot((request) => slowest(options, request)),
      [INSIGHT_PATHS.Trace]: asRoot(
        ({ body }) => options.attribution.slowest.find(decodeInsightTraceRequest(body).id) ?? {},
      ),
      [INSIGHT_PATHS.Top]: asRoot(({ body }) => top(options, decodeInsightTopRequest(body).probeDisk)),
      [INSIGHT_PATHS.LogLevel]: asRoot((request) => logLevel(options, request)),
    },
  };
}

async function answer(
  request: UnaryRequest,
  document: (request: UnaryRequest) => object | Promise<object>,
): Promise<void> {
  try {
    request.reply(encodeInsightDocument({ json: JSON.stringify(await document(request)) }));
  } catch {
    request.fail(Errors.MalformedRequest);
  }
}

function slowest({ name, attribution, stats }: InsightOptions, { body }: UnaryRequest): SlowestDocument {
  const { count, seconds } = decodeInsightSlowestRequest(body);
  const since = seconds === 0 ? 0 : Date.now() - seconds * 1000;
  const requests = attribution.slowest.slowest(Math.min(count || COUNT_DEFAULT, COUNT_MAX), since);
  return { member: name, requests: requests.map(plain), ops: summaries(stats, attribution) };
}

function plain(breakdown: ReturnType<Attribution['slowest']['slowest']>[number]): SlowestDocument['requests'][number] {
  const { detail, ...rest } = breakdown;
  return detail === undefined ? rest : { ...rest, detail: { ...detail } };
}

async function top(options: InsightOptions, probeDisk: boolean): Promise<TopDocument> {
  const { name, attribution, view, stats, metrics } = options;
  const { hot, recorder } = attribution;
  const fsyncs = [...(recorder?.fsyncs ?? [])].map(
    ([member, one]) => [member, Math.round(one.quantile(0.99))] as const,
  );
  return {
    member: name,
    memberId: view.memberId.toString(16),
    leaderId: view.leaderId.toString(16),
    term: view.term,
    at: Date.now(),
    stageStamps: recorder !== undefined,
    ops: summaries(stats, attribution),
    prefixes: hot.hotPrefixes(HOT_ENTRIES),
    clients: hot.hotClients(HOT_ENTRIES),
    largestRequest: { bytes: hot.largestBytes, prefix: hot.largestPrefix },
    fsyncP99Micros: Object.fromEntries(fsyncs),
    families: await metrics.families(probeDisk),
  };
}

async function logLevel({ siblings, logger }: InsightOptions, { body }: UnaryRequest): Promise<object> {
  const { level } = decodeInsightLogLevelRequest(body);
  if (level !== '' && !isLogLevel(level)) throw new RangeError(`not a log level: ${level}`);
  if (level !== '') setLogLevel(logger, level);
  return { proxy: logger.level, ...(await siblings.logLevels(level)) };
}

function summaries(stats: readonly MethodStats[], { watch }: Attribution): OpSummary[] {
  const all = [...stats.map(({ ops }) => ops), ...(watch === undefined ? [] : [watch.ops])];
  return all.filter(({ total }) => total.count > 0).map(summaryOf);
}

function summaryOf(ops: OpStats): OpSummary {
  const stages = ops.stages.flatMap((one, at): StageSummary[] => {
    if (one === undefined) return [];
    const { count, sumMicros, buckets } = one;
    const [p50Micros, p99Micros] = [one.quantile(0.5), one.quantile(0.99)];
    return [{ stage: STAGES[at] ?? '', count, p50Micros, p99Micros, sumMicros, buckets: [...buckets] }];
  });
  return {
    op: ops.op,
    count: ops.total.count,
    p50Micros: ops.total.quantile(0.5),
    p99Micros: ops.total.quantile(0.99),
    unattributedP50: ops.shareQuantile(0.5),
    unattributedP99: ops.shareQuantile(0.99),
    stages,
  };
}
