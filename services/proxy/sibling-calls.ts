import { Errors, type RpcError } from '../../libs/errors';
import { BatchClient, type BatchReply, type Channel } from '../../libs/rpc';
import type { Answer } from './answer';
import { replyError } from './reads';

export interface SiblingOptions {
  /** Closed together with the calls. */
  readonly channel: Channel;
  readonly path: string;
  /** For calls whose link broke, and for those that could not be sent in time. */
  readonly lostError: RpcError & { readonly id: number };
  readonly timeoutMs: number;
  readonly now: () => number;
}

interface Waiting {
  readonly method: number;
  readonly payload: Uint8Array;
  readonly answer: Answer;
  readonly deadline: number;
}

const WAITING_MAX = 1_024;

/** Batched calls to a sibling process that may be starting again: a call waits for it, but is sent only once. */
export class SiblingCalls {
  private readonly client: BatchClient;
  private waiting: Waiting[] = [];

  constructor(private readonly options: SiblingOptions) {
    this.client = new BatchClient({
      channel: options.channel,
      path: options.path,
      lostError: options.lostError.id,
      busyError: Errors.TooManyRequests.id,
      onOpen: () => this.sendWaiting(),
    });
  }

  get isOpen(): boolean {
    return this.client.isOpen;
  }

  call(method: number, payload: Uint8Array, answer: Answer): void {
    if (this.client.isOpen) {
      this.send(method, payload, answer);
      return;
    }
    if (this.waiting.length >= WAITING_MAX) {
      answer.fail(Errors.TooManyRequests);
      return;
    }
    this.waiting.push({ method, payload, answer, deadline: this.options.now() + this.options.timeoutMs });
  }

  sweep(now: number): void {
    if (this.waiting.length === 0) return;
    const due = this.waiting.filter((one) => one.deadline <= now);
    this.waiting = this.waiting.filter((one) => one.deadline > now && !one.answer.cancelled);
    for (const one of due) one.answer.fail(this.options.lostError);
  }

  close(): void {
    this.client.close();
    this.options.channel.close();
  }

  private sendWaiting(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const { method, payload, answer } of waiting) if (!answer.cancelled) this.send(method, payload, answer);
  }

  private send(method: number, payload: Uint8Array, answer: Answer): void {
    const options = answer.trace === undefined ? {} : { trace: answer.trace };
    this.client.call(method, payload, options, (reply: BatchReply) => {
      if (reply.error === 0 && reply.errorDetail === '') answer.reply(reply.payload);
      else answer.fail(replyError(reply));
    });
  }
}
