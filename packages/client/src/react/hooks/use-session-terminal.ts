// A session that is drawn into a terminal, for a component with a terminal of its own.

import { BinnacleError } from '@binnacle/protocol';
import { type RefObject, useEffect, useRef, useState } from 'react';
import type { SessionOptions, SessionStart } from '../stores/session.ts';
import { Drawing, type DrawingOptions, type DrawingState, NO_DRAWING_YET } from '../terminal/drawing.ts';
import type { TerminalScreen } from '../terminal/screen.ts';
import { TerminalSteer } from '../terminal/steer.ts';
import { useShared } from './provider.tsx';
import { makeSession, type UsedSession, useSessionFacts } from './use-session.ts';

/** A terminal, and the way from it to the session. */
export interface MountedTerminal<S extends TerminalScreen = TerminalScreen> {
  /** The terminal. */
  readonly screen: S;
  /** Sends what is typed, and changes the lease. */
  readonly steer: TerminalSteer;
}

/**
 * Makes a terminal in an element that is mounted; undefined if there is none. `past` is an event of the terminal. Another
 * function makes another terminal.
 */
export type MakeTerminal<S extends TerminalScreen> = (
  steer: TerminalSteer,
  past: () => number,
) => S | Promise<S> | undefined;

/** Result of `useSessionTerminal`. */
export interface UsedSessionTerminal<S extends TerminalScreen> {
  /** The session: its state, the lease and the actions on it. */
  readonly session: Omit<UsedSession, 'chunks'>;
  /** State of the drawing. */
  readonly drawing: DrawingState;
  /** The terminal; undefined until it is made, and behind its disposal. */
  readonly mounted: MountedTerminal<S> | undefined;
  /** The same for event handlers, at once. */
  readonly parts: RefObject<MountedTerminal<S> | null>;
  /** Why input was not delivered, or the terminal not made; undefined once the lease is held again. */
  readonly problem: BinnacleError | undefined;
  /** Forgets `problem`. */
  dismiss(): void;
  /** Draws from another place. The session is read from there by all components. */
  follow(from: SessionStart, options?: DrawingOptions): void;
  /** Forgets `place` or `roughFrom`, once a person has read it. */
  forget(what: 'place' | 'roughFrom'): void;
}

/**
 * Draws a session into a terminal that `make` makes, while the component is mounted. `SessionTerminal` is made with it.
 * `at` marks an output offset, and drawing pauses some screens behind it if more follows.
 *
 * @example
 * ```tsx
 * import { useSessionTerminal } from '@binnacle/client/react';
 * import { TerminalScreen } from '@binnacle/client/terminal';
 * import * as xterm from '@xterm/xterm';
 * import { useCallback, useRef } from 'react';
 *
 * export function Place({ id, at }: { id: string; at: number }) {
 *   const box = useRef<HTMLDivElement>(null);
 *   const { drawing, follow } = useSessionTerminal(
 *     id,
 *     { from: { offset: Math.max(0, at - 16_384) }, at },
 *     useCallback((steer, past) => {
 *       const element = box.current;
 *       if (element === null) return undefined;
 *       return new TerminalScreen(xterm, element, element, {}, {
 *         typed: (text) => steer.typed(text),
 *         pointed: (report) => steer.pointed(report),
 *         replied: (text) => steer.replied(text),
 *         past,
 *       });
 *     }, []),
 *   );
 *   return (
 *     <>
 *       <div ref={box} style={{ height: 400 }} />
 *       {drawing.phase === 'paused' && (
 *         <button type="button" onClick={() => follow({ screen: true })}>
 *           {drawing.ahead} bytes more: go to the end
 *         </button>
 *       )}
 *     </>
 *   );
 * }
 * ```
 */
export function useSessionTerminal<S extends TerminalScreen>(
  id: string,
  { at, stream, skipsLine = false, ...options }: SessionOptions & DrawingOptions,
  make: MakeTerminal<S>,
): UsedSessionTerminal<S> {
  const shared = useShared();
  const how = JSON.stringify(options);
  const session = useSessionFacts(id, how);
  const [drawing, setDrawing] = useState(NO_DRAWING_YET);
  const [mounted, setMounted] = useState<MountedTerminal<S>>();
  const [problem, setProblem] = useState<BinnacleError>();
  const parts = useRef<MountedTerminal<S>>(null);
  /** Draws the reading that begins now, in the place of the one before. */
  const restart = useRef<(options: DrawingOptions) => void>(undefined);
  const first = useRef<DrawingOptions>({});
  first.current = { at, stream, skipsLine };

  useEffect(() => {
    let isOver = false;
    let stopReading: (() => void) | undefined;
    const followed = shared.sessions.take(id, how, () => makeSession(shared)(id, how));
    const steer = new TerminalSteer(followed.lease, (error) => {
      if (!isOver) setProblem(error);
    });
    const read = (screen: S, what: DrawingOptions): void => {
      stopReading?.();
      setDrawing(NO_DRAWING_YET);
      const reader = new Drawing(screen, followed, what, (change) =>
        setDrawing((before) => ({ ...before, ...change })),
      );
      const unread = followed.read(reader);
      stopReading = () => {
        reader.stop();
        unread();
      };
    };
    const mount = (screen: S | undefined): void => {
      if (isOver || screen === undefined) {
        screen?.dispose();
        return;
      }
      parts.current = { screen, steer };
      setMounted(parts.current);
      read(screen, first.current);
      restart.current = (what) => {
        screen.clear();
        read(screen, what);
      };
    };
    const made = make(steer, () => followed.pastOffset);
    if (made instanceof Promise) made.then(mount, (cause: unknown) => isOver || setProblem(BinnacleError.of(cause)));
    else mount(made);
    return () => {
      isOver = true;
      stopReading?.();
      steer.stop();
      parts.current?.screen.dispose();
      parts.current = null;
      restart.current = undefined;
      setMounted(undefined);
      setProblem(undefined);
      shared.sessions.release(id, followed);
    };
  }, [shared, id, how, make]);

  return {
    ...{ session, drawing, mounted, parts, problem },
    dismiss: () => setProblem(undefined),
    follow: (from, what = {}) => {
      shared.sessions.peek(id)?.follow(from);
      restart.current?.(what);
    },
    forget: (what) => setDrawing((before) => ({ ...before, [what]: undefined })),
  };
}
