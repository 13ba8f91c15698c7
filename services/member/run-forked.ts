import { ConfigError, UsageError } from '../../libs/config';
import { StartError } from '../../libs/process';
import { type MemberEvents, readConfig, startMember } from './member';
import type { ProcessRow } from './supervisor';

/** A member below `npm start`: reports to its parent over the IPC channel and stops when the parent is gone. */
function tell(report: { ready: readonly ProcessRow[] } | { error: string }, then: () => void = () => undefined): void {
  if (process.connected) process.send?.(report, then);
  else then();
}

function end(code: number, reason: string | undefined): void {
  if (reason === undefined) process.exit(code);
  tell({ error: reason }, () => process.exit(code));
}

async function run(): Promise<void> {
  const events: MemberEvents = { onReady: (rows) => tell({ ready: rows }), onEnd: end };
  const supervisor = await startMember(readConfig(process.argv.slice(2), {}), events, process.env);
  const stop = (): void => void supervisor.stop();
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('disconnect', stop);
}

run().catch((error: unknown) => {
  if (error instanceof ConfigError || error instanceof StartError || error instanceof UsageError) end(1, error.message);
  else throw error;
});
