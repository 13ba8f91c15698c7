import {
  encodeCompactionRequest,
  encodeDefragmentRequest,
  encodeRangeRequest,
  KV_PATHS,
  MAINTENANCE_PATHS,
} from '../../proto/gen/etcdserverpb';
import { revisionOf } from './answers';
import { connectTo } from './fill';
import { startLists } from './list-load';

export interface Disturbance {
  /** Ends it; fails if it went wrong. Gives its own figures, by name. */
  stop(): Promise<Readonly<Record<string, number>>>;
}

/** Something that goes on beside a load from the moment measuring begins. */
export type Beside = (port: number, keys: number) => Disturbance;

export const lists: Beside = (port, keys) => {
  const running = startLists(port, keys);
  return {
    stop: () => {
      const { keys: listed, seconds } = running.stop();
      return Promise.resolve({ 'keys listed/s': listed / seconds });
    },
  };
};

interface Answered {
  readonly bytes: number;
  readonly seconds: number;
}

/** Asks one thing after the other until it is stopped, or once. */
function asking(port: number, path: string, body: () => Uint8Array, again: boolean) {
  const channel = connectTo(port);
  const answers: Answered[] = [];
  let problem: string | undefined;
  let stopped = false;
  const ended = new Promise<void>((resolve) => {
    const ask = (): void => {
      const from = performance.now();
      channel.unary(path, body(), {}, (result) => {
        if (!result.ok) problem = result.error.message;
        else answers.push({ bytes: result.response.length, seconds: (performance.now() - from) / 1_000 });
        if (result.ok && again && !stopped) ask();
        else resolve();
      });
    };
    ask();
  });
  return {
    async stop(): Promise<readonly Answered[]> {
      stopped = true;
      await ended;
      channel.close();
      if (problem !== undefined) throw new Error(`${path} failed: ${problem}`);
      return answers;
    },
  };
}

function secondsOf(answers: readonly Answered[]): number {
  return answers.reduce((sum, { seconds }) => sum + seconds, 0) / Math.max(1, answers.length);
}

/** One defragmentation after the other. */
export const defragmentations: Beside = (port) => {
  const running = asking(port, MAINTENANCE_PATHS.Defragment, () => encodeDefragmentRequest({}), true);
  return {
    stop: async () => {
      const answers = await running.stop();
      return { defragmentations: answers.length, 'seconds of one': secondsOf(answers) };
    },
  };
};

/** One compaction of all revisions up to the current one, until everything is deleted. */
export const compaction: Beside = (port) => {
  const channel = connectTo(port);
  let problem: string | undefined;
  let seconds = 0;
  const ended = new Promise<void>((resolve) => {
    channel.unary(KV_PATHS.Range, encodeRangeRequest({ key: Buffer.from('x') }), {}, (read) => {
      const revision = read.ok ? revisionOf(read.response) : undefined;
      const from = performance.now();
      channel.unary(KV_PATHS.Compact, encodeCompactionRequest({ revision, physical: true }), {}, (result) => {
        if (!result.ok) problem = result.error.message;
        seconds = (performance.now() - from) / 1_000;
        resolve();
      });
    });
  });
  return {
    stop: async () => {
      await ended;
      channel.close();
      if (problem !== undefined) throw new Error(`compaction failed: ${problem}`);
      return { 'seconds of the compaction': seconds };
    },
  };
};

/** All keys with their values in one answer, again and again. */
export const wholeReads: Beside = (port) => {
  const everything = encodeRangeRequest({ key: Buffer.from('0'), rangeEnd: Buffer.from(':') });
  const running = asking(port, KV_PATHS.Range, () => everything, true);
  return {
    stop: async () => {
      const answers = await running.stop();
      const seconds = secondsOf(answers);
      const megabytes = (answers[0]?.bytes ?? 0) / 1e6;
      return { 'large reads': answers.length, 'MB of one': megabytes, 'seconds of one': seconds };
    },
  };
};
