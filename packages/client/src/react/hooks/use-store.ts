// A followed thing as React state: followed while the component is mounted, and what it was at first on a server.

import { useCallback, useSyncExternalStore } from 'react';
import type { Pool, SnapshotStore } from '../stores/store.ts';

/** `options`: as text, so that the same ones in a new object are no others. `make` may use nothing but `key` and them. */
export function useFollowed<T extends object, S extends SnapshotStore<T>>(
  pool: Pool<S>,
  key: string,
  options: string,
  make: (key: string, options: string) => S,
  initial: T,
  readStore: (followed: S) => T = snapshotOf,
): T {
  // biome-ignore lint/correctness/useExhaustiveDependencies: another function of the same key and options makes no other
  const subscribe = useCallback(
    (changed: () => void) => {
      const followed = pool.take(key, options, () => make(key, options));
      const unsubscribe = followed.subscribe(changed);
      return () => {
        unsubscribe();
        pool.release(key, followed);
      };
    },
    [pool, key, options],
  );
  const read = useCallback(() => {
    const followed = pool.peek(key);
    return followed === undefined ? initial : readStore(followed);
  }, [pool, key, initial, readStore]);
  return useSyncExternalStore(subscribe, read, () => initial);
}

const snapshotOf = <T extends object>(followed: SnapshotStore<T>): T => followed.snapshot;
