import type { Attachable } from '../config/process-config';
import { parseAddress } from '../process/address';
import { type Channel, type ChannelOptions, connect, MovableChannel } from '../rpc';

export type Sibling = keyof Attachable['addresses'];

export interface AttachmentLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** A host that has gone without a word is noticed by its silence. */
const KEEPALIVE = { keepaliveIntervalMs: 1_000, keepaliveTimeoutMs: 2_000 };

interface Held {
  readonly sibling: Sibling;
  readonly options: ChannelOptions;
  readonly channel: MovableChannel;
}

/**
 * The member that a process outside of it works with. All its channels go to one member; `moveOn` takes all of them to the
 * next one together, and what was under way ends as when the member had died.
 */
export class Attachment {
  private at: number;
  private readonly held = new Set<Held>();
  private readonly listeners: (() => void)[] = [];

  /** `first`: index of the one to begin with, so that many processes spread over the members. */
  constructor(
    private candidates: readonly Attachable[],
    first: number,
    private readonly log: AttachmentLog,
  ) {
    if (candidates.length === 0) throw new Error('an attachment needs a member');
    this.at = first % candidates.length;
  }

  get current(): Attachable {
    return this.candidates[this.at] as Attachable; // 0 ≤ at < length
  }

  get hasOthers(): boolean {
    return this.candidates.length > 1;
  }

  /** A channel that goes where the attachment goes. */
  channel(sibling: Sibling, options: ChannelOptions): Channel {
    const held: Held = { sibling, options, channel: new MovableChannel(this.connect(sibling, options)) };
    this.held.add(held);
    return held.channel;
  }

  /** One that is used for a short while and stays with the member of this moment. */
  connect(sibling: Sibling, options: ChannelOptions): Channel {
    const address = parseAddress(this.current.addresses[sibling]);
    return connect(address, address.kind === 'tcp' && this.hasOthers ? { ...options, ...KEEPALIVE } : options);
  }

  onMoved(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** To the next member, if there is another. */
  moveOn(reason: string): boolean {
    if (!this.hasOthers) return false;
    const from = this.current.name;
    this.at = (this.at + 1) % this.candidates.length;
    this.log.warn({ from, to: this.current.name, reason }, 'attaches to another member');
    this.move();
    return true;
  }

  /** Who is there now. Stays where it is if that member still is, at the same addresses; an empty list changes nothing. */
  setCandidates(candidates: readonly Attachable[]): void {
    if (candidates.length === 0) return;
    const before = this.current;
    const at = candidates.findIndex(({ name }) => name === before.name);
    this.candidates = candidates;
    this.at = Math.max(at, 0);
    if (at >= 0 && sameAddresses(before, this.current)) return;
    this.log.info({ from: before.name, to: this.current.name }, 'the member has moved or gone: attaches anew');
    this.move();
  }

  private move(): void {
    for (const { sibling, options, channel } of this.held) channel.moveTo(this.connect(sibling, options));
    for (const listener of this.listeners) listener();
  }
}

function sameAddresses(a: Attachable, b: Attachable): boolean {
  return (Object.keys(a.addresses) as Sibling[]).every((sibling) => a.addresses[sibling] === b.addresses[sibling]);
}
