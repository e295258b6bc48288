// The output of a session as lines of plain text, for a component.

import { useMemo, useSyncExternalStore } from 'react';
import { type LogLine, LogLines } from '../log/lines.ts';
import type { SessionOptions, SessionStore } from '../stores/session.ts';
import { type SharedStores, useShared } from './provider.tsx';
import { makeSession } from './use-session.ts';

/** Options of `useSessionLines` and `SessionLog`. */
export interface LinesOptions extends SessionOptions {
  /** Maximum number of lines to keep. Default 10,000. */
  readonly maxLines?: number;
}

const MAX_LINES = 10_000;
const NO_LINES: readonly LogLine[] = [];

/**
 * Returns the latest lines of a session's output as plain text, each stream apart.
 *
 * @example
 * ```tsx
 * import { useSessionLines } from '@binnacle/client/react';
 *
 * export const Tail = ({ id }: { id: string }) => (
 *   <pre>{useSessionLines(id, { maxLines: 20 }).map(({ text }) => `${text}\n`)}</pre>
 * );
 * ```
 */
export function useSessionLines(id: string, options: LinesOptions = {}): readonly LogLine[] {
  const shared = useShared();
  const { maxLines = MAX_LINES, ...rest } = options;
  const how = JSON.stringify(rest);
  const source = useMemo(() => new LineSource(shared, id, how, maxLines), [shared, id, how, maxLines]);
  return useSyncExternalStore(source.subscribe, source.read, () => NO_LINES);
}

/** Source of lines. Made in a render, so it does nothing until it has a listener. */
class LineSource {
  readonly subscribe: (changed: () => void) => () => void;
  readonly read: () => readonly LogLine[];
  #lines: LogLines;
  #followed: SessionStore | undefined;

  constructor(shared: SharedStores, id: string, how: string, maxLines: number) {
    this.#lines = new LogLines(maxLines);
    this.read = () => this.#lines.list();
    this.subscribe = (changed) => {
      const followed = shared.sessions.take(id, how, () => makeSession(shared)(id, how));
      // Its chunks are counted from another beginning.
      if (this.#followed !== undefined && this.#followed !== followed) this.#lines = new LogLines(maxLines);
      this.#followed = followed;
      const take = (): void => this.#lines.read(followed.snapshot.chunks);
      take();
      const unsubscribe = followed.subscribe(() => {
        take();
        changed();
      });
      return () => {
        unsubscribe();
        shared.sessions.release(id, followed);
      };
    };
  }
}
