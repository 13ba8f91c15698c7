import { readSync, writeSync } from 'node:fs';
import type { FailpointSettings } from '../../failpoints';
import type { Logger } from '../logger';
import {
  applyFailpointSettings,
  carryOutOrder,
  type FailpointOrder,
  type FailpointReply,
  hostFailpoints,
} from './host';

/** What the supervisor writes to a child after its configuration, a line each. */
export interface OrderLine {
  readonly id: number;
  readonly order: FailpointOrder;
}

/** What a child writes back. */
export type ChildLine =
  | { readonly failpoint: { readonly id: number; readonly reply: FailpointReply } }
  | { readonly panic: string };

export interface ChildSideOptions {
  readonly settings: FailpointSettings;
  readonly logger: Logger;
  /** Descriptors from and to the supervisor. */
  readonly ordersFd: number;
  readonly repliesFd: number;
  readonly onParentGone: () => never;
}

/** Failpoints of a process whose supervisor has the endpoint: gives what takes the bytes that come from there. */
export function followSupervisor(options: ChildSideOptions): (bytes: Buffer) => void {
  const { settings, logger, ordersFd, repliesFd, onParentGone } = options;
  const say = (line: ChildLine): void => void writeSync(repliesFd, `${JSON.stringify(line)}\n`);
  let rest = '';
  const take = (bytes: Buffer): void => {
    const lines = (rest + bytes.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { id, order } = JSON.parse(line) as OrderLine;
      say({ failpoint: { id, reply: carryOutOrder(order) } });
    }
  };
  hostFailpoints({
    onPanic: (message) => {
      logger.fatal(message);
      say({ panic: message });
    },
    print: (message) => logger.info(message),
    whileHeld: () => {
      const bytes = readAvailable(ordersFd);
      if (bytes === undefined) onParentGone();
      else take(bytes);
    },
  });
  applyFailpointSettings(settings, (message) => logger.warn(message));
  return take;
}

/** What can be read without waiting; undefined: the other end is closed. */
function readAvailable(fd: number): Buffer | undefined {
  const buffer = Buffer.alloc(64 * 1024);
  try {
    const count = readSync(fd, buffer);
    return count === 0 ? undefined : buffer.subarray(0, count);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return buffer.subarray(0, 0);
    throw error;
  }
}
