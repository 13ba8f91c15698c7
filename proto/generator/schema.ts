/** The .proto files as plain data: what the emitters need and nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as protobuf from 'protobufjs';

export interface FieldModel {
  readonly number: number;
  readonly protoName: string;
  readonly name: string;
  readonly kind: 'scalar' | 'enum' | 'message';
  /** The scalar's name, or the full name of the enum or message. */
  readonly type: string;
  readonly repeated: boolean;
  /** Names of the other members of its oneof; undefined: the field has no presence of its own. */
  readonly oneofSiblings: readonly string[] | undefined;
  /** Name of its oneof. */
  readonly oneof: string | undefined;
}

export interface MessageModel {
  readonly name: string;
  readonly protoName: string;
  readonly fields: readonly FieldModel[];
}

export interface EnumModel {
  readonly name: string;
  readonly protoName: string;
  readonly values: ReadonlyArray<readonly [name: string, value: number]>;
}

export interface MethodModel {
  readonly name: string;
  readonly requestType: string;
  readonly responseType: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export interface ServiceModel {
  readonly name: string;
  readonly methods: readonly MethodModel[];
}

export interface PackageModel {
  readonly name: string;
  readonly messages: readonly MessageModel[];
  readonly enums: readonly EnumModel[];
  readonly services: readonly ServiceModel[];
}

/** Packages in order of their names. `files` are relative to `protoDir`, as imports are. */
export function loadSchema(protoDir: string, files: readonly string[]): PackageModel[] {
  const root = new protobuf.Root();
  for (const file of files) protobuf.parse(readFileSync(join(protoDir, file), 'utf8'), root, { keepCase: true });
  root.resolveAll();
  const packages: PackageModel[] = [];
  collectPackages(root, packages);
  return packages.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `range_end` → `rangeEnd`; a name without underscores, such as `grantedTTL`, stays. */
export function camelCase(protoName: string): string {
  return protoName.replace(/_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function collectPackages(namespace: protobuf.NamespaceBase, into: PackageModel[]): void {
  const found = { messages: [] as MessageModel[], enums: [] as EnumModel[], services: [] as ServiceModel[] };
  for (const child of namespace.nestedArray) {
    if (child instanceof protobuf.Type) collectType(child, child.name, found);
    else if (child instanceof protobuf.Enum) found.enums.push(enumModel(child, child.name));
    else if (child instanceof protobuf.Service) found.services.push(serviceModel(child));
    else if (child instanceof protobuf.Namespace) collectPackages(child, into);
  }
  const name = fullName(namespace);
  if (found.messages.length + found.enums.length + found.services.length > 0) into.push({ name, ...found });
}

function collectType(type: protobuf.Type, name: string, found: { messages: MessageModel[]; enums: EnumModel[] }): void {
  const fields = type.fieldsArray.map(fieldModel).sort((a, b) => a.number - b.number);
  found.messages.push({ name, protoName: fullName(type), fields });
  for (const child of type.nestedArray) {
    if (child instanceof protobuf.Type) collectType(child, `${name}_${child.name}`, found);
    else if (child instanceof protobuf.Enum) found.enums.push(enumModel(child, `${name}_${child.name}`));
  }
}

function fieldModel(field: protobuf.Field): FieldModel {
  if (field.map) throw new Error(`${field.fullName}: map fields are not supported`);
  const resolved = field.resolvedType;
  const siblings = field.partOf?.fieldsArray.filter((other) => other !== field).map((other) => camelCase(other.name));
  return {
    number: field.id,
    protoName: field.name,
    name: camelCase(field.name),
    kind: resolved === null ? 'scalar' : resolved instanceof protobuf.Enum ? 'enum' : 'message',
    type: resolved === null ? field.type : fullName(resolved),
    repeated: field.repeated,
    oneofSiblings: siblings,
    oneof: field.partOf?.name,
  };
}

function enumModel(model: protobuf.Enum, name: string): EnumModel {
  return { name, protoName: fullName(model), values: Object.entries(model.values) };
}

function serviceModel(service: protobuf.Service): ServiceModel {
  const methods = service.methodsArray.map((method) => ({
    name: method.name,
    requestType: fullName(resolved(method.resolvedRequestType, method)),
    responseType: fullName(resolved(method.resolvedResponseType, method)),
    requestStream: method.requestStream === true,
    responseStream: method.responseStream === true,
  }));
  return { name: service.name, methods };
}

function resolved(type: protobuf.Type | null, method: protobuf.Method): protobuf.Type {
  if (type === null) throw new Error(`${method.fullName}: unknown type`);
  return type;
}

function fullName(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, '');
}
