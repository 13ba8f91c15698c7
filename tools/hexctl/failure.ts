/** etcdctl's exit codes. */
export const ExitCode = {
  ERROR: 1,
  BAD_CONNECTION: 2,
  INVALID_INPUT: 3,
  BAD_FEATURE: 4,
  INTERRUPTED: 5,
  BAD_ARGS: 128,
} as const;

/** What the user is told in one line, and the exit code. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly exitCode: number = ExitCode.ERROR,
  ) {
    super(message);
  }
}
