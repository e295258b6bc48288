// Waits for operations with abort signals and timeouts.

/**
 * Runs `act`, whose signal reports the end of the wait; an `act` that ignores the signal goes on unobserved. Rejects on
 * timeout or abort.
 */
export async function withTimeout<T>(
  ms: number,
  signal: AbortSignal | undefined,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const abort = new AbortController();
  let stop = (_reason: unknown): void => undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    stop = (reason) => {
      abort.abort(reason);
      reject(reason);
    };
  });
  const timer = setTimeout(() => stop(new Error(`It took more than ${ms} ms.`)), ms);
  const passOn = () => stop(signal?.reason);
  signal?.addEventListener('abort', passOn, { once: true });
  try {
    return await Promise.race([act(abort.signal), ended]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', passOn);
  }
}

/** Settles with the result of `work`, or rejects on abort without waiting for it. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
