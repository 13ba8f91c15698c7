/** The schema arranged for looking up: by JSON name when reading JSON, by field number when writing it. */
import { type JsonField, jsonEnums, jsonMessages } from '../../../proto/gen/json_schema';

export interface FieldPlan extends JsonField {
  /** Position in the message's list of fields. */
  readonly index: number;
  readonly wireType: 0 | 2;
  /** A run of values may be packed into one field. */
  readonly packable: boolean;
}

export interface MessagePlan {
  readonly fields: readonly FieldPlan[];
  readonly byName: ReadonlyMap<string, FieldPlan>;
  readonly byNumber: ReadonlyArray<FieldPlan | undefined>;
}

const plans = new Map<string, MessagePlan>();
const enumNames = new Map<string, ReadonlyMap<number, string>>();

/** Plans are made at first use: most clients use few messages. */
export function planOf(typeName: string): MessagePlan {
  let plan = plans.get(typeName);
  if (plan === undefined) {
    plan = makePlan(typeName);
    plans.set(typeName, plan);
  }
  return plan;
}

export function typeNameOf(field: FieldPlan): string {
  if (field.typeName === undefined) throw new Error(`field ${field.name} has no message type`);
  return field.typeName;
}

export function enumNumber(field: FieldPlan, name: string): number | undefined {
  return jsonEnums[typeNameOf(field)]?.[name];
}

export function enumName(field: FieldPlan, value: number): string | undefined {
  const typeName = typeNameOf(field);
  let names = enumNames.get(typeName);
  if (names === undefined) {
    names = new Map(Object.entries(jsonEnums[typeName] ?? {}).map(([name, number]) => [number, name]));
    enumNames.set(typeName, names);
  }
  return names.get(value);
}

function makePlan(typeName: string): MessagePlan {
  const schema = jsonMessages[typeName];
  if (schema === undefined) throw new Error(`unknown message ${typeName}`);
  const fields = schema.map(makeField);
  const byName = new Map<string, FieldPlan>();
  const byNumber: Array<FieldPlan | undefined> = [];
  for (const field of fields) {
    byName.set(field.camelName, field);
    byName.set(field.name, field);
    byNumber[field.number] = field;
  }
  return { fields, byName, byNumber };
}

function makeField(field: JsonField, index: number): FieldPlan {
  const delimited = field.type === 'string' || field.type === 'bytes' || field.type === 'message';
  return { ...field, index, wireType: delimited ? 2 : 0, packable: field.repeated === true && !delimited };
}
