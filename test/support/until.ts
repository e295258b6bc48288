// Waits for a condition. Polls, because what is waited for is another process or the other end of a socket.

import { count } from './count.ts';

/** Pauses between two looks. Most looks are requests, which take the processor from what is waited for. */
const FIRST_PAUSE_MS = 5;
const LAST_PAUSE_MS = 60;
/** A pause is this part of the time that was waited already, which a wait is longer by at most. */
const PART = 8;

/** Time until a wait fails that names none. Nothing is proven by it: beside floods and storms, much takes longer. */
const WITHIN_MS = count({ quick: 10_000, all: 60_000 });

type Found<T> = Exclude<T, false | undefined | null>;

/**
 * Returns the first value of `look` that is neither false nor undefined; fails with `what` after `withinMs`.
 *
 * @example await until('both are listed', () => list.length === 2)
 */
export function until(what: string, look: () => boolean | Promise<boolean>, withinMs?: number): Promise<void>;
export function until<T>(what: string, look: () => T | Promise<T>, withinMs?: number): Promise<Found<T>>;
export async function until<T>(what: string, look: () => T | Promise<T>, withinMs = WITHIN_MS): Promise<Found<T>> {
  const begun = performance.now();
  for (;;) {
    const found = await look();
    if (found !== false && found !== undefined && found !== null) return found as Found<T>;
    const waited = performance.now() - begun;
    if (waited > withinMs) throw new Error(`Waited ${withinMs} ms in vain until ${what}.`);
    const pause = Math.min(LAST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, waited / PART));
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
