import { resolve } from 'node:path';
import { PasswordPool } from './password-pool';

// Threads run compiled code: the build comes before the tests.
const workerFile = resolve(__dirname, '../../dist/services/auth/bcrypt-worker.js');

describe('the password threads', () => {
  it("make hashes with etcd's prefix and compare them while this thread goes on", async () => {
    const pool = new PasswordPool({ workerFile, threads: 2, cost: 8 });
    let turns = 0;
    const counter = setInterval(() => {
      turns += 1;
    }, 1);
    const hash = (await pool.hash('secret')) ?? '';
    expect(hash).toMatch(/^\$2a\$08\$/);
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, i) => pool.verify(i % 2 ? 'secret' : 'guess', hash)),
    );
    clearInterval(counter);
    expect(results).toEqual([false, true, false, true, false, true, false, true]);
    expect(turns).toBeGreaterThan(10);
    await pool.close();
  });

  it('accept hashes that other libraries made and take a broken one for a mismatch', async () => {
    const pool = new PasswordPool({ workerFile, threads: 1, cost: 4 });
    // Test vector of the bcrypt of OpenBSD: the password is "U*U".
    const known = '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
    expect(await pool.verify('U*U', known)).toBe(true);
    expect(await pool.verify('U*V', known)).toBe(false);
    expect(await pool.verify('U*U', 'no hash')).toBe(false);
    await pool.close();
  });

  it('refuse work beyond their queue and after their end', async () => {
    const pool = new PasswordPool({ workerFile, threads: 1, cost: 4 });
    const all = Array.from({ length: 300 }, () => pool.hash('x'));
    const last = all.at(-1);
    expect(await last).toBeUndefined();
    await pool.close();
    expect(await pool.hash('x')).toBeUndefined();
    const done = await Promise.all(all);
    expect(done.filter((hash) => hash === undefined).length).toBeGreaterThanOrEqual(40);
  });

  it('survive the death of a thread', async () => {
    const pool = new PasswordPool({ workerFile: resolve(__dirname, 'no-such-file.js'), threads: 1, cost: 4 });
    expect(await pool.hash('x')).toBeUndefined();
    await pool.close();
  });
});
