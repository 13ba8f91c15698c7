import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../../libs/process';

/**
 * What this member's store is fit for. It is a property of the store, so it lies in its generation: a copy of another
 * member's store that takes its place is sound.
 *
 * sound ─▶ diverged (a majority has another state) ─▶ alarmed (the CORRUPT alarm is up) ─▶ damaged (it was disarmed)
 *   └──▶ damaged (bytes have rotted): nothing is applied or served until a copy of another member's store is here
 */
export const CONDITIONS = ['sound', 'diverged', 'alarmed', 'damaged'] as const;
export type Condition = (typeof CONDITIONS)[number];

export interface StoreState {
  readonly condition: Condition;
  readonly reason: string;
  /** What was durable in the store when it became so; 0: unknown. A copy of an older one may be behind the log that is kept. */
  readonly index: number;
}

/** Keeps it across restarts. */
export interface ConditionKeeper {
  readonly current: StoreState;
  /** Durable on return. */
  set(state: StoreState): void;
}

export const SOUND: StoreState = { condition: 'sound', reason: '', index: 0 };
const FILE = 'condition';

export class ConditionFile implements ConditionKeeper {
  current: StoreState;
  private readonly path: string;

  constructor(generation: string) {
    this.path = join(generation, FILE);
    this.current = readCondition(this.path);
  }

  set(state: StoreState): void {
    this.current = state;
    writeDurably(this.path, Buffer.from(`${state.condition} ${state.index} ${state.reason}\n`));
  }
}

function readCondition(path: string): StoreState {
  if (!existsSync(path)) return SOUND;
  const text = readFileSync(path, 'utf8');
  const [name = '', index = '', ...rest] = text.trimEnd().split(' ');
  const condition = CONDITIONS.find((each) => each === name);
  // Whatever it was, the store was not sound.
  return condition === undefined
    ? { condition: 'damaged', reason: `${path} is damaged`, index: 0 }
    : { condition, reason: rest.join(' '), index: Number(index) || 0 };
}
