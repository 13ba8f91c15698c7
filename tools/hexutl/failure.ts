/** Exit codes of etcd's tools. */
export const ExitCode = { ERROR: 1, BAD_FEATURE: 4, BAD_ARGS: 128 } as const;

/** The command can't be done; its message is shown as one line. */
export class Failure extends Error {
  override readonly name = 'Failure';

  constructor(
    message: string,
    readonly exitCode: number = ExitCode.ERROR,
  ) {
    super(message);
  }
}
