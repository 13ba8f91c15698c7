import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Errors,
  errorById,
  errorByMessage,
  errorText,
  GRPC_CODE_NAMES,
  GrpcCode,
  toCatalogueError,
  UNCATALOGUED_ID,
  uncatalogued,
  type CatalogueError,
} from '.';

const all = Object.values<CatalogueError>(Errors);
const etcdTable = readFileSync(join(__dirname, 'testdata/etcd-errors.txt'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split('\t') as [code: string, message: string]);

test.each(etcdTable)("etcd's error %s '%s' is in the catalogue with the code of the wire", (code, message) => {
  const error = errorByMessage(message);
  expect(GRPC_CODE_NAMES[error?.code ?? -1]).toBe(code);
});

test('ids and texts are unique, ids are stable', () => {
  expect(new Set(all.map((error) => error.id)).size).toBe(all.length);
  expect(new Set(all.map((error) => error.message)).size).toBe(all.length);
  expect(all.map((error) => error.id)).toEqual(all.map((_, index) => index + 1));
  expect(all.every((error) => error.id > 0 && error.id < UNCATALOGUED_ID)).toBe(true);
  // A sample of ids that logs hold: a change here is a change of the format.
  expect([Errors.EmptyKey.id, Errors.Compacted.id, Errors.PermissionDenied.id, Errors.Corrupt.id]).toEqual([
    1, 9, 37, 54,
  ]);
});

test('an error survives the way through its id', () => {
  for (const error of all) expect(errorById(error.id)).toBe(error);
});

test('an uncatalogued error keeps its text and is Unknown', () => {
  const error = uncatalogued('something odd');
  expect(errorById(error.id, error.message)).toEqual(error);
  expect(error).toMatchObject({ code: GrpcCode.Unknown, outcome: 'unknown' });
  expect(errorById(999).message).toContain('999');
});

test('a foreign error is matched by text and code together', () => {
  expect(toCatalogueError({ code: GrpcCode.OutOfRange, message: Errors.Compacted.message })).toBe(Errors.Compacted);
  expect(toCatalogueError({ code: GrpcCode.Internal, message: Errors.Compacted.message })).toMatchObject({
    id: UNCATALOGUED_ID,
    code: GrpcCode.Internal,
  });
});

test('timeouts are of unknown outcome, refusals are definite', () => {
  for (const error of all) {
    if (/timed out|deadline|cancell?ed$|stopped/.test(error.message) && error !== Errors.WatchCanceled) {
      expect(error).toMatchObject({ outcome: 'unknown' });
    }
    if (error.code === GrpcCode.InvalidArgument || error.code === GrpcCode.FailedPrecondition) {
      expect(error).toMatchObject({ outcome: 'definite' });
    }
  }
});

test("an error's text has the form of Go's gRPC", () => {
  expect(errorText(Errors.PermissionDenied)).toBe(
    'rpc error: code = PermissionDenied desc = etcdserver: permission denied',
  );
});
