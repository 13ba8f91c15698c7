/**
 * The hot codec of the write path: wraps clients' bytes as hexad.ProposeBatch and reads hexad.ResultBatch without
 * building messages. Field numbers are those of proto/hexad/{raft,entry,storage}.proto; a test holds both against the
 * generated code.
 */
import { Reader } from '../../libs/wire';

/** Entry kind that stands for a configuration change: `body` is then a whole hexad.ConfChange. */
export const CONF_CHANGE = -1;

export interface EncodableProposal {
  readonly sequence: number;
  readonly kind: number;
  /** UTF-8; empty while auth is off. */
  readonly user: Uint8Array;
  readonly authRevision: number;
  readonly body: Uint8Array;
  /** Of the entry, see libs/limits `Release`; below 128. */
  readonly format: number;
  /** Empty when not sampled. */
  readonly trace: Uint8Array;
}

/** Bytes of a varint of a non-negative safe integer. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Writes a non-negative safe integer and returns the position after it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let pos = at;
  let rest = value;
  while (rest > 0x7fffffff) {
    target[pos++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    target[pos++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[pos++] = rest;
  return pos;
}

export class ProposalEncoder {
  /** `origin` as field 1, the first field of both Proposal and Entry. */
  private readonly originField: Uint8Array;

  constructor(readonly origin: number) {
    const field = new Uint8Array(11);
    field[0] = 0x08;
    this.originField = field.slice(0, writeVarint(field, 1, origin));
  }

  /** Bytes that the proposal's entry takes in the log. */
  entrySize(proposal: EncodableProposal): number {
    if (proposal.kind === CONF_CHANGE) return proposal.body.length;
    const { user, body, trace } = proposal;
    let size = this.originField.length + 1 + varintSize(proposal.sequence) + 2;
    if (user.length > 0) size += 1 + varintSize(user.length) + user.length;
    if (proposal.authRevision > 0) size += 1 + varintSize(proposal.authRevision);
    if (body.length > 0) size += 1 + varintSize(body.length) + body.length;
    if (trace.length > 0) size += 1 + varintSize(trace.length) + trace.length;
    if (proposal.format > 0) size += 2;
    return size;
  }

  /** One ProposeBatch; copies each body once. */
  encodeBatch(proposals: readonly EncodableProposal[]): Uint8Array {
    let total = 0;
    for (let i = 0; i < proposals.length; i++) {
      const size = this.proposalSize(proposals[i] as EncodableProposal);
      total += 1 + varintSize(size) + size;
    }
    const target = Buffer.allocUnsafe(total);
    let at = 0;
    for (let i = 0; i < proposals.length; i++) at = this.writeProposal(target, at, proposals[i] as EncodableProposal);
    return target;
  }

  private proposalSize(proposal: EncodableProposal): number {
    const entry = this.entrySize(proposal);
    const conf = proposal.kind === CONF_CHANGE ? 2 : 0;
    const trace = proposal.trace.length === 0 ? 0 : 1 + varintSize(proposal.trace.length) + proposal.trace.length;
    return this.originField.length + 1 + varintSize(proposal.sequence) + 1 + varintSize(entry) + entry + conf + trace;
  }

  private writeProposal(target: Uint8Array, start: number, proposal: EncodableProposal): number {
    target[start] = 0x0a;
    let at = writeVarint(target, start + 1, this.proposalSize(proposal));
    target.set(this.originField, at);
    at += this.originField.length;
    target[at] = 0x10;
    at = writeVarint(target, at + 1, proposal.sequence);
    target[at] = 0x1a;
    at = writeVarint(target, at + 1, this.entrySize(proposal));
    if (proposal.kind !== CONF_CHANGE) at = this.writeEntry(target, at, proposal);
    else {
      target.set(proposal.body, at);
      at += proposal.body.length;
      target[at++] = 0x20;
      target[at++] = 1;
    }
    return writeBytes(target, at, 0x32, proposal.trace);
  }

  private writeEntry(target: Uint8Array, start: number, proposal: EncodableProposal): number {
    target.set(this.originField, start);
    let at = start + this.originField.length;
    target[at] = 0x10;
    at = writeVarint(target, at + 1, proposal.sequence);
    target[at++] = 0x18;
    target[at++] = proposal.kind;
    at = writeBytes(target, at, 0x22, proposal.user);
    if (proposal.authRevision > 0) {
      target[at] = 0x28;
      at = writeVarint(target, at + 1, proposal.authRevision);
    }
    at = writeBytes(target, at, 0x32, proposal.body);
    at = writeBytes(target, at, 0x3a, proposal.trace);
    if (proposal.format === 0) return at;
    target[at] = 0x48;
    target[at + 1] = proposal.format;
    return at + 2;
  }
}

/** A bytes field; left out when empty. Returns the position after it. */
function writeBytes(target: Uint8Array, start: number, tag: number, value: Uint8Array): number {
  if (value.length === 0) return start;
  target[start] = tag;
  const at = writeVarint(target, start + 1, value.length);
  target.set(value, at);
  return at + value.length;
}

export interface ResultSink {
  /** `error` 0 and an empty detail mean success. `response` is a view of the batch. */
  result(sequence: number, error: number, detail: string, response: Uint8Array, index: number): void;
  /** `termStarted` 0: none. Called once, after the batch's results. */
  batchEnd(appliedIndex: number, termStarted: number): void;
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Reads a hexad.ResultBatch in one pass. Throws WireError on malformed bytes. */
export function readResultBatch(bytes: Uint8Array, sink: ResultSink): void {
  const reader = new Reader(bytes);
  let appliedIndex = 0;
  let termStarted = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) readResult(reader, sink);
    else if (tag === 0x10) appliedIndex = reader.uint64Number();
    else if (tag === 0x18) termStarted = reader.uint64Number();
    else reader.skip(tag);
  }
  sink.batchEnd(appliedIndex, termStarted);
}

function readResult(reader: Reader, sink: ResultSink): void {
  let sequence = 0;
  let error = 0;
  let detail = '';
  let response = NO_BYTES;
  let index = 0;
  const outer = reader.enter();
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) sequence = reader.uint64Number();
    else if (tag === 0x10) error = reader.uint32();
    else if (tag === 0x1a) detail = reader.string();
    else if (tag === 0x22) response = reader.bytes();
    else if (tag === 0x28) index = reader.uint64Number();
    else reader.skip(tag);
  }
  reader.leave(outer);
  sink.result(sequence, error, detail, response, index);
}
