/** Is told that a call was cancelled. Where calls are many, an object that exists anyway saves a closure for each. */
export interface CancelListener {
  onCancelled(): void;
}

export function tellCancelled(listener: CancelListener | (() => void) | undefined): void {
  if (typeof listener === 'function') listener();
  else listener?.onCancelled();
}
