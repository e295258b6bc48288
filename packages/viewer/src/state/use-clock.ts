// React state that follows the clock: the time of day, seconds since a moment, and a countdown in seconds.

import { useEffect, useState } from 'react';

// Update interval. Ages are in minutes after the first one: half a minute is exact enough.
const AGE_EVERY_MS = 30_000;

/** Returns the current time (ms since 1970), as exact as ages need it. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), AGE_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Returns whole seconds since a time of this machine's clock, updated each second. */
export function useElapsed(since: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, Math.floor((now - since) / 1000));
}

/** Returns seconds until `at` (ms, `performance.now`), as a countdown. */
export function useCountdown(at: number | undefined): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    setNow(performance.now());
    if (at === undefined) return;
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, [at]);
  return at === undefined ? 0 : Math.max(0, Math.ceil((at - now) / 1000));
}
