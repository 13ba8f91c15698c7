import type { ConfStep } from '../types';
import { ConfOp } from '../types';

const LETTERS: Record<string, number> = {
  v: ConfOp.AddVoter,
  l: ConfOp.AddLearner,
  r: ConfOp.Remove,
  u: ConfOp.Update,
  p: ConfOp.Promote,
};

/** Configuration entries of tests are words: `v4` add voter 4, `l4` learner, `p4` promote, `r4` remove, `leave`. */
export function parseConfSteps(text: string): ConfStep[] {
  const words = text.split(' ').filter((word) => word !== '');
  return words.map((word) => {
    if (word === 'leave') return { op: ConfOp.LeaveJoint, node: 0n };
    const op = LETTERS[word[0] as string];
    if (op === undefined) throw new Error(`not a configuration step: ${word}`);
    return { op, node: BigInt(word.slice(1)) };
  });
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function toBytes(text: string): Uint8Array {
  return encoder.encode(text);
}

export function toText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
