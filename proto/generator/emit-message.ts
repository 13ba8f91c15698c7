/** TypeScript of one message: its types and its codec. */
import { int64FormOf } from './int64-policy';
import { type ScalarCode, scalarCode } from './scalars';
import type { FieldModel, MessageModel } from './schema';

/** What a module knows of the names in other modules. */
export interface Scope {
  readonly packageName: string;
  /** A message's TypeScript name seen from this module, with `prefix` joined to its last part (`mvccpb.readKeyValue`). */
  reference(prefix: string, fullName: string, suffix?: string): string;
}

interface FieldCode {
  readonly field: FieldModel;
  readonly scalar: ScalarCode | undefined;
  readonly tag: number;
  readonly tagSize: number;
  readonly packed: boolean;
}

export function emitMessage(message: MessageModel, scope: Scope): string {
  const fields = message.fields.map((field) => fieldCode(message, field, scope));
  return [
    emitInterfaces(message, fields, scope),
    emitWrite(message, fields, scope),
    emitSize(message, fields, scope),
    emitRead(message, fields, scope),
    emitEntryPoints(message),
  ].join('\n');
}

function fieldCode(message: MessageModel, field: FieldModel, scope: Scope): FieldCode {
  const int64 = int64FormOf(scope.packageName, message.name, field.protoName, field.type);
  const type = field.kind === 'enum' ? 'int32' : field.type;
  const scalar = field.kind === 'message' ? undefined : scalarCode(type, int64);
  const packed = field.repeated && scalar !== undefined && scalar.wireType !== 2;
  const wireType = packed ? 2 : (scalar?.wireType ?? 2);
  const tag = field.number * 8 + wireType;
  return { field, scalar, tag, tagSize: tag < 0x80 ? 1 : tag < 0x4000 ? 2 : 3, packed };
}

function elementType(code: FieldCode, scope: Scope, suffix: string): string {
  const { field, scalar } = code;
  if (scalar === undefined) return scope.reference('', field.type, suffix);
  return field.kind === 'enum' ? scope.reference('', field.type) : scalar.tsType;
}

function emitInterfaces(message: MessageModel, fields: readonly FieldCode[], scope: Scope): string {
  const full: string[] = [];
  const input: string[] = [];
  for (const code of fields) {
    const { field } = code;
    const type = elementType(code, scope, '');
    const optional = field.oneofSiblings !== undefined || field.kind === 'message' ? ' | undefined' : '';
    full.push(`  ${field.name}: ${field.repeated ? `${type}[]` : type + optional};`);
    const inputType = elementType(code, scope, 'Input');
    input.push(`  ${field.name}?: ${field.repeated ? `readonly ${inputType}[]` : inputType} | undefined;`);
  }
  return [block(`export interface ${message.name}`, full), block(`export interface ${message.name}Input`, input)].join(
    '\n',
  );
}

function emitWrite(message: MessageModel, fields: readonly FieldCode[], scope: Scope): string {
  const lines = [...fields]
    .reverse()
    .flatMap((code) => [`  const f${code.field.number} = m.${code.field.name};`, `  ${writeField(code, scope)}`]);
  const unused = fields.length === 0 ? '_' : '';
  return block(
    `export function write${message.name}(${unused}w: Writer, ${unused}m: ${message.name}Input): void`,
    lines,
  );
}

function writeField(code: FieldCode, scope: Scope): string {
  const { field, scalar, tag } = code;
  const value = `f${field.number}`;
  const reverse = `for (let i = ${value}.length - 1; i >= 0; i--)`;
  if (scalar === undefined) {
    const write = scope.reference('write', field.type);
    const one = (item: string): string => `{ const n = w.length; ${write}(w, ${item}); w.endMessage(n, ${tag}); }`;
    if (!field.repeated) return `if (${value} !== undefined) ${one(value)}`;
    return `if (${value} !== undefined) ${reverse} ${one(`${value}[i] as ${elementType(code, scope, 'Input')}`)}`;
  }
  const item = `${value}[i] as ${elementType(code, scope, '')}`;
  if (code.packed) {
    return `if (${value} !== undefined && ${value}.length > 0) { const n = w.length; ${reverse} ${scalar.write(item)}; w.endMessage(n, ${tag}); }`;
  }
  if (field.repeated) return `if (${value} !== undefined) ${reverse} { ${scalar.write(item)}; w.uint32(${tag}); }`;
  return `if (${presence(code, value)}) { ${scalar.write(value)}; w.uint32(${tag}); }`;
}

function presence(code: FieldCode, value: string): string {
  const { field, scalar } = code;
  if (scalar === undefined || field.oneofSiblings !== undefined) return `${value} !== undefined`;
  return scalar.present(value);
}

function emitSize(message: MessageModel, fields: readonly FieldCode[], scope: Scope): string {
  const unused = fields.length === 0 ? '_' : '';
  const lines = fields.flatMap((code) => [
    `  const f${code.field.number} = m.${code.field.name};`,
    `  ${sizeField(code, scope)}`,
  ]);
  const body = fields.length === 0 ? ['  return 0;'] : ['  let n = 0;', ...lines, '  return n;'];
  return block(`export function size${message.name}(${unused}m: ${message.name}Input): number`, body);
}

function sizeField(code: FieldCode, scope: Scope): string {
  const { field, scalar, tagSize } = code;
  const value = `f${field.number}`;
  const size = (item: string): string =>
    scalar === undefined ? `sizeDelimited(${scope.reference('size', field.type)}(${item}))` : scalar.size(item);
  if (!field.repeated) return `if (${presence(code, value)}) n += ${tagSize} + ${size(value)};`;
  if (code.packed) {
    const item = size('item');
    const sum = item.includes('item')
      ? `let p = 0; for (const item of ${value}) p += ${item};`
      : `const p = ${value}.length * ${item};`;
    return `if (${value} !== undefined && ${value}.length > 0) { ${sum} n += ${tagSize} + sizeDelimited(p); }`;
  }
  return `if (${value} !== undefined) for (const item of ${value}) n += ${tagSize} + ${size('item')};`;
}

function emitRead(message: MessageModel, fields: readonly FieldCode[], scope: Scope): string {
  const zeros = fields.map(({ field, scalar }) => {
    const zero = field.repeated
      ? '[]'
      : field.oneofSiblings !== undefined
        ? 'undefined'
        : (scalar?.zero ?? 'undefined');
    return `${field.name}: ${zero}`;
  });
  const body = [
    `  const m: ${message.name} = { ${zeros.join(', ')} };`,
    '  while (r.pos < r.end) {',
    '    const tag = r.tag();',
    ...(fields.length === 0
      ? ['    r.skip(tag);']
      : [
          '    switch (tag) {',
          ...fields.flatMap((code) => readCases(code, scope)),
          '      default: r.skip(tag);',
          '    }',
        ]),
    '  }',
    '  return m;',
  ];
  return block(`export function read${message.name}(r: Reader): ${message.name}`, body);
}

function readCases(code: FieldCode, scope: Scope): string[] {
  const { field, scalar, tag } = code;
  const target = `m.${field.name}`;
  if (scalar === undefined) {
    const read = `${scope.reference('read', field.type)}(r)`;
    const store = field.repeated ? `${target}.push(${read})` : `${target} = ${read}`;
    return [`      case ${tag}: { const outer = r.enter(); ${store}; r.leave(outer); ${clear(field)}break; }`];
  }
  if (!field.repeated) return [`      case ${tag}: ${target} = ${scalar.read}; ${clear(field)}break;`];
  const one = (tagOfOne: number): string => `      case ${tagOfOne}: ${target}.push(${scalar.read}); break;`;
  if (!code.packed) return [one(tag)];
  return [
    `      case ${tag}: { const outer = r.enterPacked(); while (r.pos < r.end) ${target}.push(${scalar.read}); r.leavePacked(outer); break; }`,
    one(field.number * 8 + scalar.wireType),
  ];
}

/** The last member of a oneof on the wire wins. */
function clear(field: FieldModel): string {
  return (field.oneofSiblings ?? []).map((sibling) => `m.${sibling} = undefined; `).join('');
}

function emitEntryPoints({ name }: MessageModel): string {
  return [
    block(`export function encode${name}(message: ${name}Input): Uint8Array`, [
      '  const w = acquireWriter();',
      `  write${name}(w, message);`,
      '  return w.finish();',
    ]),
    block(`export function decode${name}(bytes: Uint8Array): ${name}`, [`  return read${name}(new Reader(bytes));`]),
  ].join('\n');
}

function block(head: string, lines: readonly string[]): string {
  return lines.length === 0 ? `${head} {}` : [`${head} {`, ...lines, '}'].join('\n');
}
