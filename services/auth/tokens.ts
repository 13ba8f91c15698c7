import { randomInt } from 'node:crypto';

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const LENGTH = 16;

/** The random part of a simple token, with the dot that its entry's index follows. */
export function randomTokenPrefix(): string {
  let prefix = '';
  for (let i = 0; i < LENGTH; i += 1) prefix += LETTERS.charAt(randomInt(LETTERS.length));
  return `${prefix}.`;
}
