// Waits for an operation with a timeout and an abort signal.

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
