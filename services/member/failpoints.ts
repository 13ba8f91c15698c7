import type { ProcessName } from '../../libs/config';
import {
  FAILPOINTS,
  failpointNames,
  type FailpointProcess,
  type FailpointSettings,
  checkTerms,
  processOfFailpoint,
} from '../../libs/failpoints';
import {
  FAILPOINT_DISABLED,
  type FailpointBackend,
  type FailpointOrder,
  type FailpointReply,
  NO_SUCH_FAILPOINT,
} from '../../libs/process';
import type { Child } from './child';

/** What is set at the failpoints of a member's processes: each order goes to the process that has the point. */
export class MemberFailpoints implements FailpointBackend {
  private readonly settings: Map<string, string>;
  private childOf: (name: ProcessName) => Child | undefined = () => undefined;

  constructor(settings: FailpointSettings) {
    this.settings = new Map(Object.entries(settings));
  }

  direct(childOf: (name: ProcessName) => Child | undefined): void {
    this.childOf = childOf;
  }

  /** What a process starts with: what was set outlives its death. */
  settingsOf(process: FailpointProcess): FailpointSettings {
    const own: readonly string[] = FAILPOINTS[process];
    const isFirst = process === 'raft';
    // A name that nobody has goes to one process, which says so in its log.
    return Object.fromEntries(
      [...this.settings].filter(([name]) => own.includes(name) || (isFirst && processOfFailpoint(name) === undefined)),
    );
  }

  list(): { name: string; terms: string }[] {
    return failpointNames().map((name) => ({ name, terms: this.settings.get(name) ?? '' }));
  }

  async carryOut(order: FailpointOrder): Promise<FailpointReply> {
    const process = processOfFailpoint(order.name);
    if (process === undefined) return { error: NO_SUCH_FAILPOINT };
    const reply = (await this.childOf(process)?.order(order)) ?? this.withoutProcess(order);
    if (reply.error !== undefined) return reply;
    if (order.op === 'set') this.settings.set(order.name, order.terms);
    if (order.op === 'clear') this.settings.delete(order.name);
    return reply;
  }

  /** The process is between two lives; the next one begins with the settings. */
  private withoutProcess(order: FailpointOrder): FailpointReply {
    if (order.op === 'set') return refusalOfTerms(order.terms);
    const terms = this.settings.get(order.name);
    if (terms === undefined) return { error: FAILPOINT_DISABLED };
    return order.op === 'status' ? { terms, count: 0 } : {};
  }
}

function refusalOfTerms(terms: string): FailpointReply {
  try {
    checkTerms(terms);
    return {};
  } catch (error) {
    if (error instanceof SyntaxError) return { error: error.message };
    throw error;
  }
}
