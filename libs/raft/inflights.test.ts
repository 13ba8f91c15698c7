import * as fc from 'fast-check';
import { Inflights } from './inflights';

describe('the window of appends under way', () => {
  it('counts what a plain list counts', () => {
    const action = fc.oneof(
      fc.record({ add: fc.nat(50) }),
      fc.record({ free: fc.nat(300) }),
      fc.constant({ clear: true as const }),
    );
    const run = (actions: readonly { add?: number; free?: number; clear?: true }[]): boolean => {
      const window = new Inflights(5, 100);
      let list: { last: number; bytes: number }[] = [];
      let last = 0;
      return actions.every(({ add, free, clear }) => {
        if (add !== undefined) {
          last += 1 + (add % 3);
          window.add(last, add);
          list.push({ last, bytes: add });
        }
        if (free !== undefined) {
          window.freeTo(free);
          list = list.filter((one) => one.last > free);
        }
        if (clear) {
          window.clear();
          list = [];
        }
        const bytes = list.reduce((sum, one) => sum + one.bytes, 0);
        return (
          window.count === list.length && window.bytes === bytes && window.full === (list.length >= 5 || bytes >= 100)
        );
      });
    };
    fc.assert(fc.property(fc.array(action, { maxLength: 200 }), run));
  });
});
