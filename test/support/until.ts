// Waits for a condition. Polls, because what is waited for is another process or the other end of a socket.

const POLL_MS = 5;

/**
 * Returns the first value of `look` that is neither false nor undefined; fails with `what` after `withinMs`.
 *
 * @example await until('both are listed', () => list.length === 2)
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  withinMs = 10_000,
): Promise<Exclude<T, false | undefined | null>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== undefined && found !== null) return found as Exclude<T, false | undefined | null>;
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
