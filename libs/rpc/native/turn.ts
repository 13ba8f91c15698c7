/**
 * When output leaves: whatever is written while sockets are being read goes out together once all sockets that were ready
 * have been read (the check phase follows the poll phase at once, so an idle system loses no time); what is written at any
 * other time goes out as soon as the running callback has ended.
 */
export interface Flushable {
  flush(): void;
}

let dirty: Flushable[] = [];
let scheduled = false;
let readers = 0;

/** Marks the time during which a socket's bytes are handled. */
export function enterRead(): void {
  readers++;
}

export function leaveRead(): void {
  readers--;
}

/** Flushes `target` at the end of the turn. The caller makes sure to ask once per turn only. */
export function flushLater(target: Flushable): void {
  dirty.push(target);
  if (scheduled) return;
  scheduled = true;
  if (readers > 0) setImmediate(flushAll);
  else process.nextTick(flushAll);
}

/** Before long work: what is to leave at the end of the turn leaves now. */
export function flushNow(): void {
  if (dirty.length > 0) flushAll();
}

function flushAll(): void {
  scheduled = false;
  const targets = dirty;
  dirty = [];
  for (const target of targets) target.flush();
}
