// Waits for something no longer than so many ms, and not when nobody wants it any more. Knows not what it is.

/** `act` is told by its signal; where it does not listen it is left to itself. Rejects when the time is over. */
export async function within<T>(
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
