import { Meeting } from './meeting';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('whoever comes first waits for the last', async () => {
  const meeting = new Meeting(2);
  const met: string[] = [];
  void meeting.arrive().then(() => met.push('first'));
  await turn();
  expect(met).toEqual([]);
  await meeting.arrive();
  await turn();
  expect(met).toEqual(['first']);
});

test('nobody waits for one that does not come', async () => {
  const meeting = new Meeting(3);
  const first = meeting.arrive();
  meeting.callOff();
  await first;
  await meeting.arrive();
});
