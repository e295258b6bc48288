// A session's terminal, its history and its lease as React state: created once per session, and disposed with it.

import type { Binnacle, GapEvent } from '@binnacle/client';
import {
  type DrawingOptions,
  type SessionOptions,
  type UsedSessionTerminal,
  usePresence,
  useSessionTerminal,
} from '@binnacle/client/react';
import type { TerminalSteer } from '@binnacle/client/terminal';
import { allows, type Scope, type SessionInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { FindResult } from '../terminal/finder.ts';
import { HistoryLoader, NO_HISTORY } from '../terminal/history-loader.ts';
import type { Stream } from '../terminal/history-page.ts';
import { withCtrl } from '../terminal/keys.ts';
import { Screen } from '../terminal/screen.ts';
import type { Theme } from '../ui/theme.ts';
import { leaseStatusOf } from './lease-button.tsx';
import { hasKeyboard, useSize } from './use-size.ts';

export interface SessionScreenOptions {
  readonly client: Binnacle;
  /** The session as the list has it, live. */
  readonly info: SessionInfo;
  readonly scope: Scope;
  /** The output offset to show; without it the end. */
  readonly at: number | undefined;
  readonly theme: Theme;
  readonly screenReader: boolean;
  /** True if this page just started the session: acquire the lease at once. */
  readonly fresh: boolean;
  readonly onSize: (size: { readonly width: number; readonly height: number }) => void;
}

const NOTHING_FOUND: FindResult = { at: 0, count: 0, isMore: false };
/** Bytes of output to keep for a terminal that is slow. */
const MAX_BYTES = 2 * 1024 * 1024;

export type SessionScreen = ReturnType<typeof useSessionScreen>;

export function useSessionScreen(options: SessionScreenOptions) {
  const { client, info, scope, at, theme, screenReader, fresh, onSize } = options;
  const host = useRef<HTMLElement>(null);
  /** Layer over the terminal for signs beside its rows. */
  const signs = useRef<HTMLDivElement>(null);
  const [ctrl, setCtrl] = useState(false);
  const [only, setOnly] = useState<Stream>();
  const [above, setAbove] = useState(NO_HISTORY);
  /** The gap that was dismissed. */
  const [readGap, setReadGap] = useState<GapEvent>();
  const { on, ...events } = useScreenEvents();
  const history = useRef<HistoryLoader>(null);
  /** Start of the first drawing. */
  const [range] = useState(() => logRangeOf(info, at));
  // The screen is created once per session; its callbacks must see the current state of the page.
  const latest = useRef({ ctrl, steerable: false, info, theme, only, fresh });

  const make = useCallback(
    (steer: TerminalSteer, past: () => number) => {
      const element = host.current;
      if (element === null) return undefined;
      const { info: now, theme: initial } = latest.current;
      const { cols, rows, mode } = now;
      const screen = new Screen(
        element,
        { cols, rows, theme: initial, pipe: mode === 'pipe', screenReader },
        {
          ...on,
          past,
          typed: (text) => {
            const { ctrl: isCtrl, steerable: may } = latest.current;
            if (isCtrl) setCtrl(false);
            if (may) steer.typed(isCtrl ? (withCtrl(text) ?? text) : text);
          },
          pointed: (report) => steer.pointed(report),
          replied: (text) => steer.replied(text),
          neared: () => history.current?.reach(),
          begun: () => history.current?.markRuns(),
        },
      );
      if (mode === 'pipe' && signs.current !== null) screen.streams.show(signs.current);
      history.current = new HistoryLoader(client.session(now.id), screen, setAbove);
      beginHistory(history.current, screen, now, range, latest.current.only);
      if (latest.current.fresh && latest.current.steerable) steer.acquire();
      if (hasKeyboard()) screen.focus();
      return screen;
    },
    [client, screenReader, on, range],
  );
  const { from, skipsLine = false } = range;
  const terminal = useSessionTerminal(info.id, { from, skipsLine, at: range.at, maxBytes: MAX_BYTES }, make);
  const presence = usePresence(info.id);
  const { session, drawing, parts, mounted, problem } = terminal;
  const isFailed = session.state === 'failed';
  const phase = isFailed ? 'over' : drawing.phase;

  const now = (drawing.phase === 'over' ? session.info : undefined) ?? info;
  const ended = useEnded(now.running);
  const isForeign = now.foreign !== null;
  // Input is disabled while the screen lacks output: after an error, or at a paused position.
  const isShown = !isFailed && phase !== 'paused';
  const steerable = allows(scope, 'input') && now.running && isShown && !isForeign;
  const control = session.info === undefined ? { ...session.control, lease: info.lease } : session.control;
  const { isYours } = control;
  latest.current = { ctrl, steerable, info, theme, only, fresh };

  const size = useSize({ ...{ host, parts, mounted, isYours, fresh, onSize }, mode: now.mode });

  const begin = (to: number | undefined, stream: Stream | undefined): void => {
    const next = logRangeOf(now, to);
    terminal.follow(next.from, { ...next, stream });
    const { screen } = parts.current ?? {};
    if (screen !== undefined && history.current !== null) beginHistory(history.current, screen, now, next, stream);
  };
  useRequestedPlace(terminal, { at, only, screenReader, isPaused: phase === 'paused', begin });
  useEffect(() => mounted?.screen.show(theme), [mounted, theme]);
  useEffect(() => () => history.current?.stop(), []);
  const { dismiss } = control;
  useEffect(() => {
    // The refusal says who holds the lease.
    if (problem?.code === 'lease_held') dismiss('lostTo');
  }, [problem, dismiss]);

  const gap = session.gaps.at(-1);
  return {
    ...events,
    ...{ host, signs, now, isForeign, steerable, control, problem, parts, presence, session, ctrl, setCtrl, only },
    ...{ notices: size.notices, isSized: size.isSized, fit: size.fit },
    leaseStatus: leaseStatusOf(control.lease, isYours, steerable),
    follower: {
      ...drawing,
      ...session.foreign,
      phase,
      above,
      gap: gap === readGap ? undefined : gap,
      error: session.error,
    },
    dismissProblem: terminal.dismiss,
    dismissGap: () => setReadGap(gap),
    dismissRough: () => terminal.forget('roughFrom'),
    dismissAbove: () => setAbove((before) => ({ ...before, state: 'none' })),
    /** Releases the lease, and restores the earlier size. */
    release: () => size.giveAway((steer) => steer.release()),
    /** Hands the lease over, with the earlier size. */
    transfer: (to: string) => size.giveAway((steer) => steer.transfer(to)),
    /** Aborted when the program has ended. */
    ended,
    /** Shows one stream of a session on pipes, or both. */
    showOnly: (stream: Stream | undefined) => {
      setOnly(stream);
      begin(undefined, stream);
    },
    /** Focuses the terminal, if the device has a keyboard. */
    focus: () => {
      if (hasKeyboard()) parts.current?.screen.focus();
    },
  };
}

/** Returns a signal that is aborted when the program has ended. */
function useEnded(isRunning: boolean): AbortSignal {
  const [over] = useState(() => new AbortController());
  useEffect(() => {
    if (!isRunning) over.abort();
  }, [isRunning, over]);
  return over.signal;
}

interface RequestedPlace extends Pick<SessionScreenOptions, 'at' | 'screenReader'> {
  readonly only: Stream | undefined;
  readonly isPaused: boolean;
  readonly begin: (at: number | undefined, stream: Stream | undefined) => void;
}

/** Draws anew when another offset is requested, and when another terminal was made. */
function useRequestedPlace(
  { parts, forget }: Pick<UsedSessionTerminal<Screen>, 'parts' | 'forget'>,
  { at, only, screenReader, isPaused, begin }: RequestedPlace,
): void {
  /** Start of the last drawing. */
  const begun = useRef({ at, screenReader });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another place is shown once, as the session is then.
  useEffect(() => {
    const before = begun.current;
    begun.current = { at, screenReader };
    if (before.at === at && before.screenReader === screenReader) return;
    if (at !== undefined || isPaused || before.screenReader !== screenReader) return begin(at, only);
    parts.current?.screen.scrollToEnd();
    forget('place');
  }, [at, screenReader]);
}

/** Starts the history of a new drawing. */
function beginHistory(
  history: HistoryLoader,
  screen: Screen,
  info: SessionInfo,
  range: LogRange,
  stream: Stream | undefined,
): void {
  history.begin(info, range.isWhole, stream);
  if (info.runs !== null) screen.runs.followLog();
}

/** Reports of the terminal, as state; `on`: the listeners. */
function useScreenEvents() {
  const [wish, setWish] = useState('');
  const [hovered, setHovered] = useState<string>();
  const [link, setLink] = useState<string>();
  const [runCount, setRunCount] = useState(0);
  const [found, setFound] = useState(NOTHING_FOUND);
  const [isFinding, setFinding] = useState(false);
  const on = useMemo(
    () => ({
      titled: setWish,
      hovered: setHovered,
      linkChosen: setLink,
      marked: setRunCount,
      found: setFound,
      finds: () => setFinding(true),
    }),
    [],
  );
  return { on, wish, hovered, link, setLink, runCount, found, isFinding, setFinding };
}

/** Minimum length of a log that opens with its screen, or on pipes at its end: this much is drawn in a blink. */
const TAIL_BYTES = 256 * 1024;
/** Bytes drawn before a requested offset: some screenfuls. */
const BEFORE_BYTES = 16 * 1024;

interface LogRange extends DrawingOptions {
  readonly from: NonNullable<SessionOptions['from']>;
  /** True if no stored output precedes the range. */
  readonly isWhole: boolean;
}

/** Returns all of a short log, the current screen or the end of a long one, or what surrounds the output offset `at`. */
function logRangeOf(info: SessionInfo, at: number | undefined): LogRange {
  const { oldestOffset, outputOffset, mode } = info;
  if (at !== undefined) {
    // An offset before the oldest stored output is passed on unchanged: the response then names the gap.
    const offset = at < oldestOffset ? at : Math.max(oldestOffset, at - BEFORE_BYTES);
    return { from: { offset }, at, skipsLine: offset > 0 && offset < at, isWhole: offset <= oldestOffset };
  }
  if (outputOffset - oldestOffset <= TAIL_BYTES) return { from: 'start', isWhole: true };
  return mode === 'pty'
    ? { from: { screen: true }, isWhole: false }
    : { from: { tail: TAIL_BYTES }, skipsLine: true, isWhole: false };
}
