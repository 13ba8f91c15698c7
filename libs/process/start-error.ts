/**
 * An operating error that keeps a process from starting and that a restart would not mend (a port in use, a foreign
 * data directory, a bad certificate). Its message is shown to the user as one line, without a stack.
 */
export class StartError extends Error {
  override readonly name = 'StartError';
}
