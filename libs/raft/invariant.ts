/** A broken promise of the algorithm or of the host: state can't be trusted any more, the process must end. */
export class RaftInvariantError extends Error {
  override readonly name = 'RaftInvariantError';
}

/** Throws RaftInvariantError unless `holds`. The text is made only when it fails. */
export function invariant(holds: boolean, text: () => string): asserts holds {
  if (!holds) throw new RaftInvariantError(text());
}
