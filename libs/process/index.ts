export { lockDirectory } from './directory-lock';
export { StartError } from './start-error';
export {
  type DataProcessContext,
  EXIT_REMOVED,
  EXIT_RESTART,
  runProcess,
  type ProcessContext,
  type RunningProcess,
} from './run-process';
export { type LogSink, openLogSink } from './logging';
export { createLogger, isLogLevel, type Logger, setLogLevel } from './logger';
export { readCertificate, readPem } from './certificate';
export { useInternalTls } from './internal-tls';
export { parseAddress, formatAddress } from './address';
export { probeDisk } from './disk-probe';
export { introspectionHandlers } from './introspection';
export { healthHandlers } from './health';
export { renameDurably, syncDirectory, writeDurably, writeDurablyLater } from './durable-file';
export { syncFile } from './sync-file';
export {
  type ChildLine,
  FAILPOINT_DISABLED,
  type FailpointBackend,
  type FailpointEnvironment,
  failpointEnvironment,
  type FailpointOrder,
  type FailpointReply,
  NO_SUCH_FAILPOINT,
  type OrderLine,
  serveFailpoints,
} from './failpoints';
