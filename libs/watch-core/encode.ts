import { acquireWriter, type Writer } from '../wire';
import { encodeTargets } from './group';
import type { Delivery } from './types';

const TAG_DELIVERIES = 0x0a;
const TAG_TARGET_SET = 0x52;
const TAG_TIMING = 0x2a;

/** What a message says beside the deliveries. */
export interface BatchFrame {
  readonly raftTerm: number;
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** An encoded hexad.EventTiming: of the live events in it. */
  readonly timing?: Uint8Array | undefined;
}

/** Encodes deliveries as one hexad.HubReplyBatch: one pass over all of them, no message of their own in between. */
export function encodeDeliveries(
  deliveries: readonly Delivery[],
  { raftTerm, clusterId, memberId, timing }: BatchFrame,
): Uint8Array {
  const writer = acquireWriter(); // writes from the last field to the first
  if (timing !== undefined) {
    writer.bytes(timing);
    writer.uint32(TAG_TIMING);
  }
  id(writer, 0x19, memberId);
  id(writer, 0x11, clusterId);
  for (let i = deliveries.length - 1; i >= 0; i -= 1) {
    const before = writer.length;
    writeDelivery(writer, deliveries[i] as Delivery, raftTerm);
    writer.endMessage(before, TAG_DELIVERIES);
  }
  return writer.finish();
}

/** About the bytes that a delivery takes in a message. */
export function deliveryBytes({ events, targets, encodedTargets }: Delivery): number {
  let bytes = 64 + (encodedTargets?.length ?? 16 * targets.length);
  for (const event of events) bytes += event.length + 4;
  return bytes;
}

function writeDelivery(writer: Writer, delivery: Delivery, raftTerm: number): void {
  number(writer, 0x48, raftTerm);
  flag(writer, 0x40, delivery.progress);
  if (delivery.cancelReason !== undefined && delivery.cancelReason !== '') {
    writer.string(delivery.cancelReason);
    writer.uint32(0x3a);
  }
  number(writer, 0x30, delivery.compactRevision ?? 0);
  flag(writer, 0x28, delivery.canceled);
  flag(writer, 0x20, delivery.created);
  number(writer, 0x18, delivery.revision);
  for (let i = delivery.events.length - 1; i >= 0; i -= 1) {
    writer.bytes(delivery.events[i] as Uint8Array);
    writer.uint32(0x12);
  }
  const { encodedTargets } = delivery;
  if (encodedTargets === undefined) writer.raw(encodeTargets(delivery.targets));
  else {
    writer.bytes(encodedTargets);
    writer.uint32(TAG_TARGET_SET);
  }
}

function number(writer: Writer, tag: number, value: number): void {
  if (value === 0) return;
  writer.int64(value);
  writer.uint32(tag);
}

function flag(writer: Writer, tag: number, value: boolean | undefined): void {
  if (value !== true) return;
  writer.bool(true);
  writer.uint32(tag);
}

function id(writer: Writer, tag: number, value: bigint): void {
  if (value === 0n) return;
  writer.fixed64(value);
  writer.uint32(tag);
}
