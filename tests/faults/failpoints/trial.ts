import { type FailpointName, failpointNames } from '../../../libs/failpoints';
import type { Scene } from './scene';
import { AloneScene, BeginningScene, BehindScene, ClusterScene, ForcedScene, TornWriteScene } from './scenes';

type SceneName = 'alone' | 'beginning' | 'torn' | 'forced' | 'cluster' | 'behind';

const CREATE: Readonly<Record<SceneName, (seed: number) => Promise<Scene>>> = {
  alone: (seed) => AloneScene.create(seed),
  beginning: (seed) => BeginningScene.create(seed),
  torn: (seed) => TornWriteScene.create(seed),
  forced: (seed) => ForcedScene.create(seed),
  cluster: (seed) => ClusterScene.create(seed),
  behind: (seed) => BehindScene.create(seed),
};
/** In these a member goes on from point to point; the others need a new one for each. */
const REUSED: readonly SceneName[] = ['alone', 'cluster', 'behind'];

/** What leads to the points; writes to a member alone lead to all the others. */
const SCENES: Readonly<Record<Exclude<SceneName, 'alone'>, readonly FailpointName[]>> = {
  beginning: ['walBeforeBootstrap', 'walAfterBootstrap', 'raftAfterNoteBegun', 'beforePublishing'],
  torn: ['walBeforeCutTornWrite', 'walAfterCutTornWrite'],
  forced: ['raftBeforeForceNewCluster', 'raftAfterForceNewCluster'],
  cluster: [
    'raftBeforeLeaderSend',
    'raftBeforeFollowerSend',
    'raftDropHeartbeat',
    'beforeServeHTTPLeaseRenew',
    'beforeLookupWhenForwardLeaseTimeToLive',
  ],
  behind: [
    'raftBeforeSaveSnap',
    'raftBeforeWALSaveSnaphot',
    'raftAfterSaveSnap',
    'raftBeforeApplySnap',
    'raftAfterApplySnap',
    'raftBeforeSendSnap',
    'raftAfterSendSnap',
    'raftBeforeReceiveSnap',
    'raftAfterReceiveSnap',
    'applyBeforeOpenSnapshot',
    'applyAfterOpenSnapshot',
    'copyOutBeforeFirstChunk',
    'copyOutBeforeEnd',
    'copyInBeforeFirstRow',
    'copyInBeforeFinish',
    'copyInAfterFinish',
    'copyInAfterIdentity',
    'copyInBeforeSwitch',
    'copyInAfterSwitch',
    'copyInBeforeClearMarker',
    'copyInAfterClearMarker',
    'storeBeforeRemoveGeneration',
    'storeAfterRemoveGeneration',
  ],
};

export interface FailpointTrialOptions {
  /** Default: all there are. */
  readonly points?: readonly FailpointName[];
  readonly seed: number;
  readonly onProgress?: (line: string) => void;
}

export interface FailpointTrialResult {
  readonly passed: FailpointName[];
  acknowledged: number;
  /** Empty: at each point a member died, came back and had everything. */
  readonly problems: string[];
}

/** Kills members at the points, one after another, and looks at what they have when they are back. */
export async function runFailpoints(options: FailpointTrialOptions): Promise<FailpointTrialResult> {
  const result: FailpointTrialResult = { passed: [], acknowledged: 0, problems: [] };
  const points = options.points ?? (failpointNames() as FailpointName[]);
  for (const name of Object.keys(CREATE) as SceneName[]) {
    const here = points.filter((point) => sceneOf(point) === name);
    const groups = REUSED.includes(name) ? [here] : here.map((point) => [point]);
    for (const group of groups) if (group.length > 0) await play(name, group, options, result);
  }
  return result;
}

/** Every point has exactly one scene. */
export function sceneOf(point: FailpointName): SceneName {
  for (const [scene, points] of Object.entries(SCENES) as [keyof typeof SCENES, readonly FailpointName[]][])
    if (points.includes(point)) return scene;
  return 'alone';
}

async function play(
  name: SceneName,
  points: readonly FailpointName[],
  { seed, onProgress = () => undefined }: FailpointTrialOptions,
  result: FailpointTrialResult,
): Promise<void> {
  let scene: Scene | undefined;
  const end = async (): Promise<void> => {
    result.acknowledged += scene?.acknowledged ?? 0;
    await scene?.end();
    scene = undefined;
  };
  for (const point of points) {
    const began = performance.now();
    let problems: string[];
    try {
      scene ??= await CREATE[name](seed);
      problems = await scene.run(point);
    } catch (error) {
      problems = [error instanceof Error ? error.message : String(error)];
    }
    onProgress(
      `${point} (${name}): ${problems.length === 0 ? 'passed' : 'FAILED'}, ${Math.round(performance.now() - began)} ms`,
    );
    if (problems.length === 0) result.passed.push(point);
    else {
      result.problems.push(...problems.map((problem) => `${point}: ${problem}`), scene?.logs ?? '');
      await end(); // what it left says nothing about the next point
    }
  }
  await end();
}
