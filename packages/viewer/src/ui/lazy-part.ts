// Parts of the page that load on demand, and recovery from a failed load: a restarting gateway serves no part, and an
// upgraded one serves different ones. A browser does not request a failed module again, so the page reloads itself.

import { BinnacleError } from '@binnacle/protocol';
import { useEffect, useState } from 'react';

/**
 * A part that loads once. Not React's `lazy`: that shows its fallback for at least 300 ms, to avoid many parts
 * appearing one by one, and shows the fallback even for a part that is already loading.
 */
export class LazyPart<T> {
  readonly #fetch: () => Promise<T>;
  #coming: Promise<T> | undefined;
  #here: T | undefined;

  constructor(fetch: () => Promise<T>) {
    this.#fetch = fetch;
  }

  /** The part; undefined until loaded. */
  get loaded(): T | undefined {
    return this.#here;
  }

  /** Loads the part. Throws `unreachable` if the load fails. */
  load(): Promise<T> {
    this.#coming ??= this.#fetch().then(
      (part) => {
        this.#here = part;
        return part;
      },
      (cause: unknown) => {
        throw new BinnacleError('unreachable', {
          message: 'A part of the page could not be loaded.',
          hint: 'The page loads again as soon as Binnacle answers.',
          cause,
        });
      },
    );
    return this.#coming;
  }
}

/** Loads the part if needed and returns it; undefined until loaded. Throws during rendering if the load fails. */
export function useLazyPart<T>(part: LazyPart<T>): T | undefined {
  const [failed, setFailed] = useState<{ readonly error: unknown }>();
  const [, setCount] = useState(0);
  const isHere = part.loaded !== undefined;
  useEffect(() => {
    if (isHere) return;
    let isOver = false;
    part.load().then(
      () => {
        if (!isOver) setCount((count) => count + 1);
      },
      (error: unknown) => {
        if (!isOver) setFailed({ error });
      },
    );
    return () => {
      isOver = true;
    };
  }, [part, isHere]);
  if (failed !== undefined) throw failed.error;
  return part.loaded;
}

const ASK_EVERY_MS = 1000;
/** Minimum delay between two reloads; if a reload did not help, a person decides. */
const AGAIN_AFTER_MS = 60_000;
const RELOADED_AT = 'binnacle.reloaded-at';

/** Reloads the page once the gateway answers, at most once a minute. Returns a function that cancels the wait. */
export function reloadWhenThere(): () => void {
  const aborter = new AbortController();
  const { signal } = aborter;
  const wait = async (): Promise<void> => {
    // Absolute difference: a time in the future means that the clock was set back since.
    if (Math.abs(Date.now() - reloadedAt()) < AGAIN_AFTER_MS) return;
    while (!(await answers(signal))) {
      if (signal.aborted) return;
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
    if (signal.aborted || !keepReloadedAt(Date.now())) return;
    location.reload();
  };
  void wait();
  return () => aborter.abort();
}

async function answers(signal: AbortSignal): Promise<boolean> {
  try {
    const { ok } = await fetch(new URL('healthz', location.origin + location.pathname), { cache: 'no-store', signal });
    return ok;
  } catch {
    return false; // unreachable; the next check asks again
  }
}

function reloadedAt(): number {
  try {
    return Number(sessionStorage.getItem(RELOADED_AT) ?? 0);
  } catch {
    return 0; // storage may be forbidden: see below
  }
}

/**
 * Stores the time of the reload. Returns false without storage: then no reload happens, because the page could reload
 * itself forever.
 */
function keepReloadedAt(now: number): boolean {
  try {
    sessionStorage.setItem(RELOADED_AT, String(now));
    return true;
  } catch {
    return false;
  }
}
