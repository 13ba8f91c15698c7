import { parentPort } from 'node:worker_threads';
import { HubLoad, total, until } from './hub-cases';
import type { SilentReport, SilentRequest } from './silent-watchers';

/** Clients of SilentWatchers: what they have taken in and not read lies in this thread's memory, not in the generator's. */
const run = new HubLoad();
let open: ReturnType<HubLoad['streams']> = [];

async function serve(request: SilentRequest): Promise<void> {
  if (request.kind === 'open') {
    open = run.streams(request.port, request.count + 1, 1);
    const all = [Buffer.from([0]), Buffer.from([0])] as const;
    open[0]?.watch(...all, 2);
    for (const one of open.slice(1)) one.watch(...all);
    await until('the watchers', () => total(open, 'created') === open.length);
    for (const one of open) one.stream.pause();
  } else if (request.kind === 'resume') for (const one of open) one.stream.resume();
  else if (request.kind === 'end') run.end();
  report();
}

function report(): void {
  const events = open.map((one) => one.events);
  parentPort?.postMessage({ events, errors: [...run.errors] } satisfies SilentReport);
}

let last = Promise.resolve();
parentPort?.on('message', (request: SilentRequest) => {
  last = last.then(() => serve(request));
});
