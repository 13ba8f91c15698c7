import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createSocket, type Socket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NameLookup } from './name-lookup';

const NAMES = 32;

/** With a name server that takes every question and answers none. */
describe('many names that nobody answers for', () => {
  let directory = '';
  let server: Socket;
  let questions = 0;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'hexad-names-'));
    writeFileSync(join(directory, 'empty'), '');
    server = createSocket('udp4');
    server.on('message', () => (questions += 1));
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  test('hold no thread by which files are synced', async () => {
    const names = new NameLookup({
      hostsFile: join(directory, 'empty'),
      resolvConf: join(directory, 'empty'),
      servers: () => {
        const resolver = new dns.Resolver({ timeout: 1_000, tries: 1 });
        resolver.setServers([`127.0.0.1:${server.address().port}`]);
        return resolver;
      },
      system: () => Promise.reject(new Error('must not be asked')),
      now: () => performance.now(),
    });
    let waiting = NAMES;
    const lookups = Array.from({ length: NAMES }, (_, at) =>
      names.find(`host-${at}.invalid`).then(
        () => 'found',
        ({ code }: NodeJS.ErrnoException) => {
          waiting -= 1;
          return code;
        },
      ),
    );
    const file = await open(join(directory, 'log'), 'w');
    for (let at = 0; at < 20; at += 1) {
      await file.write('entry');
      await file.datasync();
    }
    await file.close();
    // All twenty were synced while every name was still being waited for.
    expect(waiting).toBe(NAMES);
    expect(new Set(await Promise.all(lookups))).toEqual(new Set(['EAI_AGAIN']));
    expect(questions).toBeGreaterThanOrEqual(NAMES);
  }, 30_000);
});
