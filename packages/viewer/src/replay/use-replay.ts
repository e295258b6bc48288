// The replay of a session as React state: its timeline, the shown moment, and a terminal of its own.

import type { Binnacle, Session } from '@binnacle/client';
import type { BinnacleError, SessionInfo, Timeline, TimelineMark } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { Screen } from '../terminal/screen.ts';
import type { Theme } from '../ui/theme.ts';
import { useSetting } from '../ui/theme.ts';
import { nextMark, previousMark } from './format.ts';
import { offsetAt, type PlaybackState, Player, type Speed } from './player.ts';

const POINTS = 600;
/** Polling interval: a live session's timeline grows. */
const POLL_MS = 5000;

export type Replay = ReturnType<typeof useReplay>;

/** A moment. `offset`: exact output offset of a mark, finer than its millisecond. */
type ReplayMoment = Pick<TimelineMark, 'time'> & Partial<Pick<TimelineMark, 'offset'>>;

/** Returns the replay. `session`: undefined if there is nothing to replay. */
export function useReplay(client: Binnacle, session: Session | undefined, info: SessionInfo, theme: Theme) {
  const host = useRef<HTMLElement>(null);
  const parts = useRef<{ readonly player: Player; readonly screen: Screen }>(null);
  const latest = useRef({ info, theme });
  latest.current = { info, theme };
  const { timeline, error } = useTimeline(session, info.running);
  /** Undefined: live. */
  const [played, setPlayed] = useState<PlaybackState>();
  const [speed, setSpeed] = useState<Speed>(1);
  const [isLong, setLong] = useSetting('binnacle.long-pauses');
  const isOpen = played !== undefined;
  const seeking = useRef<{ readonly time: number; readonly offset: number | undefined; readonly isPlaying: boolean }>(
    undefined,
  );

  // A reconnect clears a read failure: the replay stays where it was until the user plays again.
  useEffect(() => {
    let isOpen = client.state.kind === 'open';
    return client.on('state', ({ kind }) => {
      if (kind === 'open' && !isOpen) setPlayed((before) => before && { ...before, error: undefined });
      isOpen = kind === 'open';
    });
  }, [client]);

  // The terminal of the replay exists only while a replay is shown.
  useEffect(() => {
    const element = host.current;
    if (!isOpen || session === undefined || element === null) return;
    const { info: now, theme: initialTheme } = latest.current;
    const screen = new Screen(
      element,
      { cols: now.cols, rows: now.rows, theme: initialTheme, pipe: now.mode === 'pipe', screenReader: false },
      {
        typed: () => undefined,
        pointed: () => undefined,
        replied: () => undefined,
        titled: () => undefined,
        hovered: () => undefined,
        linkChosen: () => undefined,
        // Everything in a replay was answered when it happened.
        past: () => Number.POSITIVE_INFINITY,
      },
    );
    screen.terminal.options.disableStdin = true;
    const fit = (): void => {
      const size = now.mode === 'pipe' ? screen.fittingSize() : undefined;
      if (size === undefined) screen.letterbox();
      else screen.resize(size);
    };
    const observer = new ResizeObserver(fit);
    observer.observe(element);
    const player = new Player(session, now, screen, (change) =>
      setPlayed((before) => (before === undefined ? before : { ...before, ...change })),
    );
    parts.current = { player, screen };
    return () => {
      parts.current = null;
      observer.disconnect();
      player.stop();
      screen.dispose();
    };
  }, [isOpen, session]);
  useEffect(() => parts.current?.screen.show(theme), [theme]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new player needs the speed, too
  useEffect(() => parts.current?.player.pace(speed, !isLong), [speed, isLong, isOpen]);

  const seek = useCallback(
    ({ time, offset }: ReplayMoment, isPlaying?: boolean): void => {
      if (timeline === undefined) return;
      const to = Math.max(timeline.from, Math.min(time, timeline.to));
      seeking.current = { time: to, offset, isPlaying: isPlaying ?? seeking.current?.isPlaying ?? false };
      setPlayed((before) => ({
        ...(before ?? { offset: 0, cols: latest.current.info.cols, rows: latest.current.info.rows, error: undefined }),
        phase: 'seeking',
        time: to,
      }));
    },
    [timeline],
  );
  // Runs after the rendering that creates the terminal; several moves of the scrubber before it count as one.
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is wanted is in a ref
  useEffect(() => {
    const { player } = parts.current ?? {};
    const to = seeking.current;
    if (player === undefined || to === undefined || timeline === undefined || played?.phase !== 'seeking') return;
    seeking.current = undefined;
    if (to.isPlaying) player.play();
    player.seek(to.time, to.offset ?? offsetAt(timeline, to.time), to.offset !== undefined);
  }, [played]);

  return {
    ...{ host, timeline, error: error ?? played?.error, played, speed, setSpeed, isLong, setLong, seek },
    toggle: (): void => {
      const { player } = parts.current ?? {};
      if (timeline === undefined) return;
      if (player === undefined || played === undefined || played.phase === 'over') seek({ time: timeline.from }, true);
      else if (played.phase === 'playing') player.pause();
      else player.play();
    },
    step: (isBack: boolean): void => {
      if (timeline === undefined) return;
      const now = played?.time ?? timeline.to;
      const mark = isBack ? previousMark(timeline, now) : nextMark(timeline, now);
      seek(mark ?? { time: isBack ? timeline.from : timeline.to }, played?.phase === 'playing');
    },
    /** Leaves the replay. */
    live: (): void => {
      parts.current?.player.stop();
      seeking.current = undefined;
      setPlayed(undefined);
    },
  };
}

/** Polls the timeline while the program runs. */
function useTimeline(session: Session | undefined, isRunning: boolean) {
  const [timeline, setTimeline] = useState<Timeline>();
  const [error, setError] = useState<BinnacleError>();
  useEffect(() => {
    if (session === undefined) return;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const poll = (): void => {
      session.timeline({ points: POINTS }).then(
        (seen) => {
          if (isOver) return;
          setTimeline(seen);
          setError(undefined);
          if (isRunning) timer = setTimeout(poll, POLL_MS);
        },
        (cause: unknown) => {
          if (isOver) return;
          setError(asFailure(cause));
          timer = setTimeout(poll, POLL_MS);
        },
      );
    };
    poll();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [session, isRunning]);
  return { timeline, error };
}
