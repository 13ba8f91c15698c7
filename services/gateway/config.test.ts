import { gatewayConfig, GatewayUsage } from './config';

const start = (...flags: string[]): ReturnType<typeof gatewayConfig> => gatewayConfig(['start', ...flags]);

describe('the command line of the gateway', () => {
  let stderr: jest.SpyInstance;
  beforeEach(() => {
    stderr = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  });
  afterEach(() => stderr.mockRestore());

  test("has etcd's defaults", () => {
    expect(start()).toMatchObject({
      listen: { host: '127.0.0.1', port: 23_790 },
      endpoints: [{ host: '127.0.0.1', port: 2379 }],
      retryDelayMs: 60_000,
    });
  });

  test('takes endpoints with and without a scheme, in lists and repeated, and IPv6', () => {
    const { endpoints, listen } = start(
      '--listen-addr=[::1]:2379',
      '--endpoints=http://a:1,https://b:2',
      '--endpoints',
      '[fe80::1]:3',
    );
    expect(listen).toEqual({ host: '::1', port: 2379 });
    expect(endpoints).toEqual([
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
      { host: 'fe80::1', port: 3 },
    ]);
  });

  test.each([
    [['--endpoints=proxy'], /not HOST:PORT/],
    [['--endpoints=proxy:99999'], /not HOST:PORT/],
    [['--endpoints=proxy:0'], /has no port/],
    [['--endpoints=,'], /names no endpoint/],
    [['--listen-addr=here'], /not HOST:PORT/],
    [['--retry-delay=soon'], /not a duration/],
    [['--max-connections=0'], /not a number above 0/],
    [['--no-such-flag'], /unknown option/],
  ])('%j is refused with one line that says why', (flags, reason) => {
    expect(() => start(...flags)).toThrow(GatewayUsage);
    expect(stderr.mock.calls.map(([text]) => String(text)).join('')).toMatch(reason);
  });

  test('itself is no endpoint', () => {
    expect(() => start('--listen-addr=127.0.0.1:1', '--endpoints=127.0.0.1:1')).toThrow(/gateway's own --listen-addr/);
  });

  test('what would choose endpoints and is not built is refused', () => {
    expect(() => start('--discovery-srv=example.com')).toThrow(/--discovery-srv is not supported/);
  });

  test('without start it prints its help', () => {
    expect(() => gatewayConfig([])).toThrow(GatewayUsage);
  });
});
