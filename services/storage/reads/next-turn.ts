/** Resolves after other work has had its turn of the event loop: the pause between slices of a long read. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
