import fc from 'fast-check';
import { CENSORED, textWithoutSecrets, withoutSecrets } from './secrets';

const SECRET = 'hunter2-x7';

describe('secrets never reach a log line', () => {
  test.each([
    'password',
    'Password',
    'rootPassword',
    'hashedPassword',
    'token',
    'id-token',
    'authorization',
    'cookie',
    'clientSecret',
    'credentials',
    'private-key',
  ])('a field named %s is not shown, wherever it stands', (name) => {
    const levels = fc.array(fc.constantFrom('request', 'options', 'list'), { maxLength: 3 });
    fc.assert(
      fc.property(levels, (path) => {
        let fields: Record<string, unknown> = { [name]: SECRET, user: 'root' };
        for (const level of path) fields = { [level]: level === 'list' ? [fields] : fields };
        const text = JSON.stringify(withoutSecrets(fields));
        expect(text).not.toContain(SECRET);
        expect(text).toContain(CENSORED);
        expect(text).toContain('root');
      }),
    );
  });

  test.each([
    ['cannot reach nats://user:hunter2-x7@bus:4222', `cannot reach nats://${CENSORED}@bus:4222`],
    ['header Authorization: Bearer hunter2-x7', `header Authorization: Bearer ${CENSORED}`],
    [
      'unrecognized environment variable ETCD_ROOT_PASSWORD=hunter2-x7',
      `unrecognized environment variable ETCD_ROOT_PASSWORD=${CENSORED}`,
    ],
    ['{"err":"GET /?token=hunter2-x7&a=1"}', `{"err":"GET /?token=${CENSORED}&a=1"}`],
  ])('in words neither: %s', (text, shown) => {
    expect(textWithoutSecrets(text)).toBe(shown);
  });

  test('an error keeps its message and stack', () => {
    const { err } = withoutSecrets({ err: new TypeError('no such thing') }) as { err: Record<string, unknown> };
    expect(err).toMatchObject({ type: 'TypeError', message: 'no such thing' });
    expect(err['stack']).toContain('secrets.test');
  });

  test('what is no secret stays as it is', () => {
    const fields = {
      key: 'a',
      tokens: 3,
      clusterToken: 'etcd-cluster',
      password: '',
      at: new Date(0),
      'peer-url': 'http://a:1/x@y',
    };
    expect(withoutSecrets(fields)).toEqual(fields);
    const line = '{"address":"http://127.0.0.1:2379","user":"a@example.com","msg":"password is wrong"}';
    expect(textWithoutSecrets(line)).toBe(line);
  });
});
