import type { Message } from './types';
import { MessageType } from './types';

/** Messages on their way into the next Ready. */
export class Outbox {
  private now: Message[] = [];
  private afterPersist: Message[] = [];
  private lastAppendReply: Message | undefined;

  /** May leave before anything of this Ready is synced (unless term or vote are not: see ReadyBuilder). */
  send(message: Message): void {
    this.now.push(message);
  }

  /** Says that something is synced, so it must wait until it is. */
  sendAfterPersist(message: Message): void {
    this.afterPersist.push(message);
  }

  /** The acknowledgement of an append. One covers all before it, so those of one Ready to one leader are one message. */
  acknowledge(reply: Message): void {
    const last = this.lastAppendReply;
    if (last !== undefined && last.to === reply.to && last.term === reply.term) {
      last.index = Math.max(last.index, reply.index);
      return;
    }
    this.lastAppendReply = reply;
    this.afterPersist.push(reply);
  }

  get isEmpty(): boolean {
    return this.now.length === 0 && this.afterPersist.length === 0;
  }

  /** `holdAll`: everything waits for the sync. `holdNone`: there is nothing to wait for. */
  take(holdAll: boolean, holdNone: boolean): { messages: Message[]; messagesAfterPersist: Message[] } {
    const { now, afterPersist } = this;
    this.now = [];
    this.afterPersist = [];
    this.lastAppendReply = undefined;
    if (holdAll) return { messages: [], messagesAfterPersist: join(now, afterPersist) };
    if (holdNone) return { messages: join(now, afterPersist), messagesAfterPersist: [] };
    return { messages: now, messagesAfterPersist: afterPersist };
  }

  /**
   * A new term begins. What was accepted in the old one and is not yet on its way to the disk may be cut off by the new
   * leader before it ever gets there, so it must not be acknowledged any more.
   */
  dropAcknowledgements(): void {
    this.lastAppendReply = undefined;
    this.afterPersist = this.afterPersist.filter(({ type, reject }) => type !== MessageType.AppendReply || reject);
  }
}

function join(first: Message[], second: Message[]): Message[] {
  if (second.length === 0) return first;
  return first.length === 0 ? second : first.concat(second);
}
