/** How each scalar type is read, written, measured and compared with its default. */
import type { Int64Form } from './int64-policy';

export interface ScalarCode {
  readonly tsType: string;
  readonly wireType: 0 | 1 | 2 | 5;
  readonly zero: string;
  /** Expression: the value must be written (it is neither undefined nor the default). */
  readonly present: (value: string) => string;
  readonly write: (value: string) => string;
  readonly read: string;
  readonly size: (value: string) => string;
}

const notZero = (value: string): string => `${value} !== undefined && ${value} !== 0`;
const notEmpty = (value: string): string => `${value} !== undefined && ${value}.length > 0`;

const SMALL: Readonly<Record<string, ScalarCode>> = {
  bool: {
    tsType: 'boolean',
    wireType: 0,
    zero: 'false',
    present: (v) => `${v} === true`,
    write: (v) => `w.bool(${v})`,
    read: 'r.bool()',
    size: () => '1',
  },
  uint32: {
    tsType: 'number',
    wireType: 0,
    zero: '0',
    present: notZero,
    write: (v) => `w.uint32(${v})`,
    read: 'r.uint32()',
    size: (v) => `sizeInt64(${v})`,
  },
  int32: {
    tsType: 'number',
    wireType: 0,
    zero: '0',
    present: notZero,
    write: (v) => `w.int32(${v})`,
    read: 'r.int32()',
    size: (v) => `sizeInt64(${v})`,
  },
  fixed32: {
    tsType: 'number',
    wireType: 5,
    zero: '0',
    present: notZero,
    write: (v) => `w.fixed32(${v})`,
    read: 'r.fixed32()',
    size: () => '4',
  },
  string: {
    tsType: 'string',
    wireType: 2,
    zero: "''",
    present: notEmpty,
    write: (v) => `w.string(${v})`,
    read: 'r.string()',
    size: (v) => `sizeString(${v})`,
  },
  bytes: {
    tsType: 'Uint8Array',
    wireType: 2,
    zero: 'NO_BYTES',
    present: notEmpty,
    write: (v) => `w.bytes(${v})`,
    read: 'r.bytes()',
    size: (v) => `sizeDelimited(${v}.length)`,
  },
};

const READ_SUFFIX = { bigint: 'BigInt', number: 'Number', mixed: 'Mixed' } as const;
const PRESENT: Readonly<Record<Int64Form, (value: string) => string>> = {
  bigint: (v) => `${v} !== undefined && ${v} !== 0n`,
  number: notZero,
  mixed: (v) => `${v} !== undefined && ${v} !== 0 && ${v} !== 0n`,
};

export function scalarCode(type: string, form: Int64Form): ScalarCode {
  const small = SMALL[type];
  if (small !== undefined) return small;
  if (type !== 'int64' && type !== 'uint64' && type !== 'fixed64') throw new Error(`type ${type} is not supported`);
  const fixed = type === 'fixed64';
  if (fixed && form !== 'bigint') throw new Error('fixed64 fields are bigint');
  return {
    tsType: form === 'mixed' ? 'Int64' : form,
    wireType: fixed ? 1 : 0,
    zero: form === 'bigint' ? '0n' : '0',
    present: PRESENT[form],
    write: (v) => `w.${fixed ? 'fixed64' : 'int64'}(${v})`,
    read: `r.${type}${READ_SUFFIX[form]}()`,
    size: fixed ? () => '8' : (v) => `sizeInt64(${v})`,
  };
}
