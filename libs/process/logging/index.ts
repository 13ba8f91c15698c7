export { type LogSink, openLogSink } from './log-sink';
export { textWithoutSecrets, withoutSecrets } from './secrets';
