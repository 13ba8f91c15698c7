import { SimulatedDisk, Table } from '../mvcc';
import { PatientBatch } from './patient-batch';

const KEY = (text: string): Uint8Array => Buffer.from(text);

/** Commits fail so often before one succeeds. */
function rig(failures: number, error = new Error('ENOSPC')) {
  const engine = new SimulatedDisk().open();
  const told: (string | undefined)[] = [];
  let left = failures;
  const state = { over: false };
  const newBatch = () => {
    const batch = engine.batch();
    return { ...batch, commit: () => (left-- > 0 ? Promise.reject(error) : batch.commit()) };
  };
  const patience = {
    isNoSpace: (each: unknown) => String(each).includes('ENOSPC'),
    onNoSpace: (each: unknown) => void told.push(each instanceof Error ? String(each) : undefined),
    isOver: () => state.over,
  };
  return { engine, told, state, batch: new PatientBatch(newBatch, patience) };
}

test('a commit that finds no space is made again, whole, until there is some, and both are told', async () => {
  const { engine, told, batch } = rig(2);
  batch.put(Table.Small, KEY('a'), KEY('1'));
  batch.append(Table.Small, KEY('b'), KEY('2'));
  batch.put(Table.Latest, KEY('c'), KEY('3'));
  batch.delete(Table.Latest, KEY('c'));
  await batch.commit();
  expect(Buffer.from(engine.get(Table.Small, KEY('a')) ?? []).toString()).toBe('1');
  expect(Buffer.from(engine.get(Table.Small, KEY('b')) ?? []).toString()).toBe('2');
  expect(engine.get(Table.Latest, KEY('c'))).toBeUndefined();
  expect(told).toEqual(['Error: ENOSPC', undefined]);
});

test('any other failure is final', async () => {
  const { told, batch } = rig(1, new Error('EIO'));
  batch.put(Table.Small, KEY('a'), KEY('1'));
  await expect(batch.commit()).rejects.toThrow('EIO');
  expect(told).toEqual([]);
});

test('whoever waits for space stops when the store is to be closed', async () => {
  const { state, batch } = rig(Number.POSITIVE_INFINITY);
  batch.put(Table.Small, KEY('a'), KEY('1'));
  const committing = batch.commit();
  state.over = true;
  await expect(committing).rejects.toThrow('ENOSPC');
});
