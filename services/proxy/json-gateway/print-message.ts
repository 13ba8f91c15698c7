/**
 * Messages to JSON, straight from their bytes. The rules are those of etcd's gateway: proto names, zero values left out,
 * 64-bit integers as strings, enums as names, bytes as padded base64.
 */
import { Reader } from '../../../libs/wire';
import { enumName, type FieldPlan, type MessagePlan, planOf, typeNameOf } from './message-plan';

/** Throws WireError on bytes that are no such message. */
export function printMessage(bytes: Uint8Array, typeName: string): string {
  return printFields(new Reader(bytes), planOf(typeName));
}

function printFields(reader: Reader, plan: MessagePlan): string {
  const slots: Array<string | undefined> = [];
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    const field = plan.byNumber[tag >>> 3];
    if (field === undefined) reader.skip(tag);
    else printField(reader, plan, field, tag, slots);
  }
  let text = '';
  for (const { index, name, repeated } of plan.fields) {
    const slot = slots[index];
    if (slot === undefined) continue;
    text += `${text === '' ? '' : ','}"${name}":${repeated === true ? `[${slot}]` : slot}`;
  }
  return `{${text}}`;
}

function printField(
  reader: Reader,
  plan: MessagePlan,
  field: FieldPlan,
  tag: number,
  slots: Array<string | undefined>,
): void {
  const { index, wireType } = field;
  if ((tag & 7) !== wireType) {
    if (field.packable && (tag & 7) === 2) printPacked(reader, field, slots);
    else reader.skip(tag);
    return;
  }
  const text = printValue(reader, field);
  if (field.repeated === true) {
    const before = slots[index];
    slots[index] = before === undefined ? text : `${before},${text}`;
    return;
  }
  if (field.oneof !== undefined) clearOneof(plan, field.oneof, slots);
  slots[index] = field.oneof === undefined && isZero(field, text) ? undefined : text;
}

function printPacked(reader: Reader, field: FieldPlan, slots: Array<string | undefined>): void {
  const outer = reader.enterPacked();
  while (reader.pos < reader.end) {
    const before = slots[field.index];
    const text = printValue(reader, field);
    slots[field.index] = before === undefined ? text : `${before},${text}`;
  }
  reader.leavePacked(outer);
}

function clearOneof(plan: MessagePlan, oneof: string, slots: Array<string | undefined>): void {
  for (const field of plan.fields) if (field.oneof === oneof) slots[field.index] = undefined;
}

function printValue(reader: Reader, field: FieldPlan): string {
  switch (field.type) {
    case 'bytes':
      return `"${base64(reader.bytes())}"`;
    case 'message': {
      const outer = reader.enter();
      const text = printFields(reader, planOf(typeNameOf(field)));
      reader.leave(outer);
      return text;
    }
    case 'int64':
      return `"${reader.int64Mixed()}"`;
    case 'uint64':
      return `"${reader.uint64Mixed()}"`;
    case 'bool':
      return reader.bool() ? 'true' : 'false';
    case 'enum':
      return printEnum(field, reader.int32());
    case 'int32':
      return String(reader.int32());
    case 'uint32':
      return String(reader.uint32());
    case 'string':
      return JSON.stringify(reader.string());
  }
}

function printEnum(field: FieldPlan, value: number): string {
  const name = enumName(field, value);
  return name === undefined ? String(value) : `"${name}"`;
}

function isZero(field: FieldPlan, text: string): boolean {
  switch (field.type) {
    case 'message':
      return false;
    case 'bytes':
    case 'string':
      return text === '""';
    case 'int64':
    case 'uint64':
      return text === '"0"';
    case 'bool':
      return text === 'false';
    case 'enum':
      return text === printEnum(field, 0);
    default:
      return text === '0';
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
