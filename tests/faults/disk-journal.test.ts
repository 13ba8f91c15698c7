import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWith } from '../system/support/tools';
import { waitFor } from '../system/support/wait-for';
import { buildDiskLibrary, diskEnvironment, setDisk } from './disk/library';
import { cutPower } from './disk/power-cut';
import { Random } from './disk/random';

const TRIALS = 40;

describeWith(['cc'], 'a disk whose power is cut', () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'hexad-journal-'));
    mkdirSync(join(base, 'root'));
  });
  afterEach(() => rmSync(base, { recursive: true }));

  /** What scripts have at hand. */
  const PRELUDE = `
    const fs = require('node:fs');
    const root = process.env.TEST_DISK_ROOT;
    const write = (fd, offset, text) => fs.writeSync(fd, Buffer.from(text), 0, text.length, offset);`;

  function environmentOf(control?: string): NodeJS.ProcessEnv {
    const root = join(base, 'root');
    const files = { root, journal: join(base, 'journal'), ...(control === undefined ? {} : { control }) };
    return { ...process.env, ...diskEnvironment(buildDiskLibrary() ?? '', files) };
  }

  /** Runs `script` in Node to its end. */
  function run(script: string, control?: string): { status: number | null; stderr: string } {
    return spawnSync(process.execPath, ['-e', PRELUDE + script], { env: environmentOf(control), encoding: 'utf8' });
  }

  /** What is found after each of many cuts of the same run; undefined: no such file. */
  function outcomes(script: string, file: string): Set<string | undefined> {
    for (const name of readdirSync(base)) rmSync(join(base, name), { recursive: true });
    mkdirSync(join(base, 'root'));
    expect(run(script)).toMatchObject({ status: 0, stderr: '' });
    return cutMany(file);
  }

  function cutMany(file: string): Set<string | undefined> {
    const found = new Set<string | undefined>();
    for (let seed = 0; seed < TRIALS; seed++) {
      const image = join(base, `image-${seed}`);
      rmSync(image, { recursive: true, force: true });
      mkdirSync(image);
      cutPower({ image, root: join(base, 'root'), journal: join(base, 'journal'), random: new Random(seed) });
      const path = join(image, file);
      found.add(existsSync(path) ? readFileSync(path, 'latin1') : undefined);
    }
    return found;
  }

  const CREATE = `
    const fd = fs.openSync(root + '/f', 'w+');
    write(fd, 0, 'aa');
    fs.fdatasyncSync(fd);
    const dir = fs.openSync(root, 'r');
    fs.fsyncSync(dir);`;

  test('what was synced, name and bytes, is always there', () => {
    expect(outcomes(CREATE, 'f')).toEqual(new Set(['aa']));
  });

  test('a later write that was not synced is there or not', () => {
    expect(outcomes(`${CREATE} write(fd, 0, 'bb');`, 'f')).toEqual(new Set(['aa', 'bb']));
  });

  test('of two writes that were not synced the later one may survive alone', () => {
    const found = outcomes(`${CREATE} write(fd, 0, 'b'); write(fd, 1, 'c');`, 'f');
    expect(found).toEqual(new Set(['aa', 'ba', 'ac', 'bc']));
  });

  test('a name that was not synced is there or not, whatever was done about its bytes', () => {
    const found = outcomes("const fd = fs.openSync(root + '/f', 'w'); write(fd, 0, 'aa'); fs.fsyncSync(fd);", 'f');
    expect(found).toEqual(new Set([undefined, 'aa']));
  });

  test('a rename whose directory was not synced leaves the old file or the new one', () => {
    const replace = `
      const other = fs.openSync(root + '/g', 'w');
      write(other, 0, 'bb');
      fs.fsyncSync(other);
      fs.renameSync(root + '/g', root + '/f');`;
    expect(outcomes(CREATE + replace, 'f')).toEqual(new Set(['aa', 'bb']));
    expect(outcomes(`${CREATE + replace} fs.fsyncSync(dir);`, 'f')).toEqual(new Set(['bb']));
  });

  test('a write may reach the disk in sectors', () => {
    const found = outcomes(`${CREATE} write(fd, 0, 'b'.repeat(1024));`, 'f');
    expect([...found].some((text) => /^aa\0{510}b{512}$/.test(text ?? ''))).toBe(true);
  });

  test('a file opened for synced writes needs no other sync', () => {
    const found = outcomes(
      `${CREATE} const s = fs.openSync(root + '/f', fs.constants.O_RDWR | fs.constants.O_DSYNC); write(s, 0, 'bb');`,
      'f',
    );
    expect(found).toEqual(new Set(['bb']));
  });

  test('a write that syncs itself may be there in part as long as it has not returned', async () => {
    const control = join(base, 'control');
    setDisk(control, { syncDelayMs: 60_000, isFull: false });
    const script = `
      const fd = fs.openSync(root + '/f', 'w+');
      fs.writeSync(fs.openSync(root + '/f', fs.constants.O_RDWR | fs.constants.O_DSYNC), Buffer.alloc(1024, 'b'), 0, 1024, 0);`;
    const child = spawn(process.execPath, ['-e', PRELUDE + script], { env: environmentOf(control), stdio: 'inherit' });
    const journal = join(base, 'journal');
    await waitFor('the write', () => existsSync(journal) && readFileSync(journal).includes('bbbb'));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    const found = cutMany('f');
    for (const text of ['', 'b'.repeat(512), 'b'.repeat(1024)]) expect(found.has(text)).toBe(true);
  });

  test('a note that its writer was killed in is passed over, and what others noted behind it counts', () => {
    expect(run(CREATE)).toMatchObject({ status: 0, stderr: '' });
    const journal = join(base, 'journal');
    const first = readFileSync(journal);
    const write = "const fd = fs.openSync(root + '/f', 'r+'); write(fd, 0, 'bb'); fs.fdatasyncSync(fd);";
    expect(run(write)).toMatchObject({ status: 0, stderr: '' });
    const second = readFileSync(journal).subarray(first.length);
    // Every part of a record that a kill may leave, of a big write and of a small note.
    for (let length = 1; length < 48; length++) {
      const torn = Buffer.concat([second.subarray(0, length), Buffer.from('JR')]);
      writeFileSync(journal, Buffer.concat([first, torn, second]));
      expect(cutMany('f')).toEqual(new Set(['bb']));
    }
  });

  test('a descriptor that was a file and is a socket now is no longer looked at', () => {
    const script = `${CREATE}
      const more = Array.from({ length: 10 }, () => fs.openSync(root + '/f', 'r+'));
      for (const one of [fd, dir, ...more]) fs.closeSync(one);
      const server = require('node:net').createServer((peer) => peer.pipe(peer)).listen(0, () => {
        const socket = require('node:net').connect(server.address().port);
        socket.write('not of the file');
        socket.once('data', () => process.exit());
      });`;
    expect(outcomes(script, 'f')).toEqual(new Set(['aa']));
  });

  test('a full disk refuses what makes a file longer and nothing else', () => {
    const control = join(base, 'control');
    setDisk(control, { syncDelayMs: 0, isFull: false });
    expect(run(`${CREATE}`, control).status).toBe(0);
    setDisk(control, { syncDelayMs: 0, isFull: true });
    const script = `
      const fd = fs.openSync(root + '/f', 'r+');
      write(fd, 0, 'bb');
      try { write(fd, 1, 'bbb'); } catch (error) { process.stdout.write(error.code); process.exitCode = 7; }`;
    expect(run(script, control)).toMatchObject({ status: 7, stderr: '' });
  });
});
