// Waits for a condition. Polls, because what is waited for is another process or the other end of a socket.

const POLL_MS = 5;

type Found<T> = Exclude<T, false | undefined | null>;

/**
 * Returns the first value of `look` that is neither false nor undefined; fails with `what` after `withinMs`.
 *
 * @example await until('both are listed', () => list.length === 2)
 */
export function until(what: string, look: () => boolean | Promise<boolean>, withinMs?: number): Promise<void>;
export function until<T>(what: string, look: () => T | Promise<T>, withinMs?: number): Promise<Found<T>>;
export async function until<T>(what: string, look: () => T | Promise<T>, withinMs = 10_000): Promise<Found<T>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== undefined && found !== null) return found as Found<T>;
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
