import { type Backend, Backends } from './backends';

const addresses = (...ports: number[]): { host: string; port: number }[] =>
  ports.map((port) => ({ host: '10.0.0.1', port }));

function at(backends: Backends, port: number): Backend {
  const found = backends.all.find((backend) => backend.port === port);
  if (found === undefined) throw new Error(`no backend with port ${port}`);
  return found;
}

function ports(backends: Backends, count: number): number[] {
  return Array.from({ length: count }, () => backends.next(new Set(), 0)?.port ?? 0);
}

describe('who gets the next connection', () => {
  test('equals take turns', () => {
    const backends = new Backends();
    backends.setAddresses(addresses(1, 2, 3));
    expect(ports(backends, 6)).toEqual([1, 2, 3, 1, 2, 3]);
  });

  test('the one with the fewest connections, so that a new proxy fills up first', () => {
    const backends = new Backends();
    backends.setAddresses(addresses(1, 2));
    at(backends, 1).connections = 2;
    at(backends, 2).connections = 2;
    backends.setAddresses(addresses(1, 2, 3));
    expect(ports(backends, 2)).toEqual([3, 3]);
  });

  test('one that is down gets none until it is up again', () => {
    const backends = new Backends();
    backends.setAddresses(addresses(1, 2));
    expect(backends.markDown(at(backends, 1), Number.POSITIVE_INFINITY)).toBe(true);
    expect(backends.markDown(at(backends, 1), Number.POSITIVE_INFINITY)).toBe(false);
    expect(ports(backends, 3)).toEqual([2, 2, 2]);
    expect(backends.markUp(at(backends, 1))).toBe(true);
    expect(new Set(ports(backends, 2))).toEqual(new Set([1, 2]));
  });

  test('one that is down is tried again after its delay', () => {
    const backends = new Backends();
    backends.setAddresses(addresses(1, 2));
    backends.markDown(at(backends, 1), 500);
    expect(backends.next(new Set([at(backends, 2)]), 499)?.port).toBe(1); // nobody else is left
    at(backends, 2).connections = 5;
    expect(backends.next(new Set(), 499)?.port).toBe(2);
    expect(backends.next(new Set(), 500)?.port).toBe(1);
  });

  test('when all are down each is tried once', () => {
    const backends = new Backends();
    backends.setAddresses(addresses(1, 2));
    for (const backend of backends.all) backends.markDown(backend, Number.POSITIVE_INFINITY);
    const tried = new Set<Backend>();
    for (const _ of backends.all) tried.add(backends.next(tried, 0) as Backend);
    expect([...tried].map(({ port }) => port).sort((a, b) => a - b)).toEqual([1, 2]);
    expect(backends.next(tried, 0)).toBeUndefined();
  });

  test('one that is listed no more gets none, and one that stays keeps its count', () => {
    const backends = new Backends();
    backends.setAddresses(addresses(1, 2));
    const gone = at(backends, 1);
    at(backends, 2).connections = 7;
    backends.setAddresses(addresses(2));
    expect(gone.isListed).toBe(false);
    expect(backends.all.map(({ port, connections }) => [port, connections])).toEqual([[2, 7]]);
  });
});
