/**
 * Loaded into each server process with `NODE_OPTIONS=--require`: the first SIGUSR2 starts V8's sampling profiler, the
 * second stops it and writes `PID.cpuprofile` into HEXAD_PROFILE_DIR. So a profile holds the measured time alone,
 * not start-up and warm-up.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

const SAMPLE_MICROS = 1_000;

function profileBetweenSignals(directory: string): void {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROS });
  let running = false;
  process.on('SIGUSR2', () => {
    if (!running) {
      running = true;
      session.post('Profiler.start');
      return;
    }
    running = false;
    // The answer comes before `post` returns, so the profile is written before any later signal is handled.
    session.post('Profiler.stop', (error, result) => {
      if (error !== null) return void process.stderr.write(`profile: ${error.message}\n`);
      writeFileSync(join(directory, `${process.pid}.cpuprofile`), JSON.stringify(result.profile));
    });
  });
}

const directory = process.env['HEXAD_PROFILE_DIR'];
if (directory !== undefined && isMainThread) profileBetweenSignals(directory);
