import fc from 'fast-check';
import type { ConnectionInfo } from '../../libs/rpc';
import { Admission, type Share } from './admission';

class FakeConnection implements ConnectionInfo {
  readonly id = 1;
  readonly remoteAddress = 'x';
  readonly encrypted = false;
  readonly clientCommonName = undefined;
  private closers: Array<() => void> = [];
  onClose(callback: () => void): void {
    this.closers.push(callback);
  }
  reportRequest(): void {}
  close(): void {
    for (const closer of this.closers) closer();
  }
}

const fill = (admission: Admission, share: Share, bytes = 0): number => {
  let taken = 0;
  while (admission.enter(share, bytes)) taken++;
  return taken;
};

test('one greedy connection gets half, and whoever comes after it is served all the same', () => {
  const admission = new Admission({ requestsMax: 1000, bytesMax: 1e9 });
  const shares = Array.from({ length: 4 }, () => admission.shareOf(new FakeConnection()));
  expect(shares.map((share) => fill(admission, share))).toEqual([500, 250, 125, 63]);
});

test('bytes are shared like requests', () => {
  const admission = new Admission({ requestsMax: 1000, bytesMax: 1000 });
  const [greedy, modest] = [0, 1].map(() => admission.shareOf(new FakeConnection())) as [Share, Share];
  expect(fill(admission, greedy, 100)).toBe(5);
  expect(admission.enter(modest, 200)).toBe(true);
  expect(admission.enter(modest, 200)).toBe(false);
});

test('a connection that has ended is forgotten; what it still has under way counts until it is done', () => {
  const admission = new Admission({ requestsMax: 10, bytesMax: 1000 });
  const connection = new FakeConnection();
  const share = admission.shareOf(connection);
  expect(admission.shareOf(connection)).toBe(share);
  admission.enter(share, 7);
  connection.close();
  expect([admission.connections, admission.requests]).toEqual([0, 1]);
  admission.leave(share, 7);
  expect(admission.requests).toBe(0);
});

test('whatever comes and goes, the bounds hold and a connection with nothing under way is let in', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(4), fc.boolean(), fc.nat(20)), { maxLength: 300 }), (steps) => {
      const admission = new Admission({ requestsMax: 64, bytesMax: 500 });
      const shares = Array.from({ length: 5 }, () => admission.shareOf(new FakeConnection()));
      const under: number[][] = shares.map(() => []);
      for (const [at, comes, bytes] of steps) {
        const [share, mine] = [shares[at] as Share, under[at] as number[]];
        if (comes) {
          if (admission.enter(share, bytes)) mine.push(bytes);
          else expect(mine.length).toBeGreaterThan(0);
        } else if (mine.length > 0) admission.leave(share, mine.pop() as number);
        expect(admission.requests).toBe(under.flat().length);
        expect(admission.requests).toBeLessThanOrEqual(64);
        expect(under.flat().reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(500);
      }
    }),
  );
});
