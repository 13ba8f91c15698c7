/**
 * JSON to messages, straight to their bytes. Accepted as in etcd's gateway: proto names and lower camel case, integers as
 * numbers or strings, enums as names or numbers, standard and URL-safe base64, null for absent; unknown fields are ignored.
 */
import { acquireWriter, type Writer } from '../../../libs/wire';
import { JsonInputError, parseJson } from './json-text';
import { enumNumber, type FieldPlan, type MessagePlan, planOf, typeNameOf } from './message-plan';

const DEPTH_MAX = 100;
const INT32_MIN = -(2 ** 31);
const UINT32_MAX = 2 ** 32 - 1;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/** The message's bytes. Throws JsonInputError. Text of nothing but white space is the empty message. */
export function parseMessage(text: string, typeName: string): Uint8Array {
  const value = text.trim() === '' ? {} : parseJson(text);
  const writer = acquireWriter();
  writeMessage(writer, value, planOf(typeName), 0);
  return writer.finish();
}

function writeMessage(writer: Writer, value: unknown, plan: MessagePlan, depth: number): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new JsonInputError('proto: syntax error: expected an object');
  }
  if (depth > DEPTH_MAX) throw new JsonInputError('proto: exceeded maximum recursion depth');
  const slots: unknown[] = [];
  const oneofs: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    const field = plan.byName.get(name);
    if (field === undefined || member === null) continue;
    if (field.oneof !== undefined) noteOneof(oneofs, field);
    slots[field.index] = member;
  }
  // A Writer goes from the end to the start.
  for (let i = plan.fields.length - 1; i >= 0; i--) {
    if (slots[i] !== undefined) writeField(writer, slots[i], plan.fields[i] as FieldPlan, depth);
  }
}

function noteOneof(seen: string[], { oneof, name }: FieldPlan): void {
  if (oneof === undefined) return;
  if (seen.includes(oneof)) throw new JsonInputError(`proto: oneof ${oneof} is already set (field ${name})`);
  seen.push(oneof);
}

function writeField(writer: Writer, value: unknown, field: FieldPlan, depth: number): void {
  const tag = field.number * 8 + field.wireType;
  if (field.repeated !== true) {
    if (writeValue(writer, value, field, depth)) writer.uint32(tag);
    return;
  }
  if (!Array.isArray(value)) throw invalid(field, value);
  for (let i = value.length - 1; i >= 0; i--) {
    if (writeValue(writer, value[i], field, depth)) writer.uint32(tag);
  }
}

/** False if there is nothing to write: an enum's unknown name. */
function writeValue(writer: Writer, value: unknown, field: FieldPlan, depth: number): boolean {
  switch (field.type) {
    case 'bytes':
      writer.bytes(bytesOf(value, field));
      return true;
    case 'message': {
      const before = writer.length;
      writeMessage(writer, value, planOf(typeNameOf(field)), depth + 1);
      writer.uint32(writer.length - before);
      return true;
    }
    case 'string':
      if (typeof value !== 'string') throw invalid(field, value);
      writer.string(value);
      return true;
    case 'bool':
      if (typeof value !== 'boolean') throw invalid(field, value);
      writer.bool(value);
      return true;
    case 'enum':
      return writeEnum(writer, value, field);
    case 'int64':
      writer.int64(integerOf(value, field, INT64_MIN, INT64_MAX));
      return true;
    case 'uint64':
      writer.int64(integerOf(value, field, 0n, UINT64_MAX));
      return true;
    case 'int32':
    case 'uint32':
      writer.uint32(Number(integerOf(value, field, 0n, BigInt(UINT32_MAX))));
      return true;
  }
}

function writeEnum(writer: Writer, value: unknown, field: FieldPlan): boolean {
  if (typeof value === 'number' && Number.isInteger(value) && value >= INT32_MIN && value < -INT32_MIN) {
    writer.int32(value);
    return true;
  }
  if (typeof value !== 'string') throw invalid(field, value);
  const number = enumNumber(field, value);
  if (number !== undefined) writer.int32(number);
  return number !== undefined;
}

function integerOf(value: unknown, field: FieldPlan, min: bigint, max: bigint): bigint {
  let integer: bigint | undefined;
  if (typeof value === 'number' && Number.isInteger(value)) integer = BigInt(value);
  else if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) integer = BigInt(value);
  else if (
    typeof value === 'string' &&
    /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value) &&
    Number.isSafeInteger(Number(value))
  ) {
    integer = BigInt(Number(value));
  }
  if (integer === undefined || integer < min || integer > max) throw invalid(field, value);
  return integer;
}

function bytesOf(value: unknown, field: FieldPlan): Uint8Array {
  if (typeof value !== 'string') throw invalid(field, value);
  const bytes = Buffer.from(value, 'base64');
  // Buffer skips what it can't read; the length tells, since every four characters carry three bytes.
  let characters = value.length;
  while (characters > value.length - 3 && value.charCodeAt(characters - 1) === 0x3d) characters--;
  const padding = value.length - characters;
  const padded = padding === 0 || (padding <= 2 && value.length % 4 === 0);
  if (!padded || characters % 4 === 1 || bytes.length !== Math.floor((characters * 3) / 4)) throw invalid(field, value);
  return bytes;
}

function invalid(field: FieldPlan, value: unknown): JsonInputError {
  const text = JSON.stringify(value) ?? 'undefined';
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return new JsonInputError(`proto: invalid value for ${field.type} field ${field.name}: ${shown}`);
}
