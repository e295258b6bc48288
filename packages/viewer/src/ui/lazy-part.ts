// Parts of the page that are loaded when they are needed, and what becomes of one that does not come: a gateway that is
// started again gives none, and one that was upgraded has other ones. A browser does not ask for a file that failed
// again, so the page is loaded anew. Knows no part.

import { BinnacleError } from '@binnacle/protocol';
import { useEffect, useState } from 'react';

/**
 * One of them, loaded once. Not React's `lazy`: that shows what is in its place for 300 ms at least, so that many parts do
 * not come one by one, and shows it where the part is on its way already.
 */
export class PagePart<T> {
  private readonly fetch: () => Promise<T>;
  private coming: Promise<T> | undefined;
  private here: T | undefined;

  constructor(fetch: () => Promise<T>) {
    this.fetch = fetch;
    this.coming = undefined;
    this.here = undefined;
  }

  /** Undefined until it has come. */
  get loaded(): T | undefined {
    return this.here;
  }

  /** Throws `unreachable` where it does not come. */
  load(): Promise<T> {
    this.coming ??= this.fetch().then(
      (part) => {
        this.here = part;
        return part;
      },
      (cause: unknown) => {
        throw new BinnacleError('unreachable', {
          message: 'A part of the page could not be loaded.',
          hint: 'The page is loaded again as soon as the gateway answers.',
          cause,
        });
      },
    );
    return this.coming;
  }
}

/** Loads it where it is not there yet: undefined until then. Throws in the rendering where it does not come. */
export function usePart<T>(part: PagePart<T>): T | undefined {
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
/** Where that did not help, a person decides. */
const AGAIN_AFTER_MS = 60_000;
const RELOADED_AT = 'binnacle.reloaded-at';

/** Loads the page again once the gateway answers; not twice in a minute. Returns what ends the waiting. */
export function reloadWhenThere(): () => void {
  const aborter = new AbortController();
  const { signal } = aborter;
  const wait = async (): Promise<void> => {
    // A time in the future: the clock was set back since.
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
    return false; // it is away, and is asked again
  }
}

function reloadedAt(): number {
  try {
    return Number(sessionStorage.getItem(RELOADED_AT) ?? 0);
  } catch {
    return 0; // nothing is kept: see below
  }
}

/** Without storage the page could load itself for ever: then it does not begin. */
function keepReloadedAt(now: number): boolean {
  try {
    sessionStorage.setItem(RELOADED_AT, String(now));
    return true;
  } catch {
    return false;
  }
}
