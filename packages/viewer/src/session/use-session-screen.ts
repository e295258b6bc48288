// A session's terminal, its log follower and its lease as React state: created once per session, and disposed with it.

import type { Binnacle, Session, WatchersChange } from '@binnacle/client';
import { allows, type Scope, type SessionInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { Size } from '../terminal/cell-size.ts';
import type { FindResult } from '../terminal/finder.ts';
import type { Stream } from '../terminal/history-page.ts';
import { withCtrl } from '../terminal/keys.ts';
import { Screen } from '../terminal/screen.ts';
import type { Theme } from '../ui/theme.ts';
import { type ControlState, NO_CONTROL, Steer } from './lease.ts';
import { type LeaseStatus, leaseStatusOf } from './lease-button.tsx';
import { type FollowerState, LogFollower, NOTHING_YET } from './log-follower.ts';

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

interface Parts {
  readonly session: Session;
  readonly screen: Screen;
  readonly follow: LogFollower;
  readonly steer: Steer;
}

const NOTHING_FOUND: FindResult = { at: 0, count: 0, isMore: false };
export const hasKeyboard = (): boolean => window.matchMedia('(hover: hover)').matches;

export type SessionScreen = ReturnType<typeof useSessionScreen>;

export function useSessionScreen(options: SessionScreenOptions) {
  const { client, info, scope, at, theme, screenReader, fresh, onSize } = options;
  const host = useRef<HTMLElement>(null);
  /** Layer over the terminal for signs beside its rows. */
  const signs = useRef<HTMLDivElement>(null);
  const notices = useRef<HTMLDivElement>(null);
  const parts = useRef<Parts>(null);
  /** The requested offset of the last drawing. */
  const begunAt = useRef(at);
  const [follower, setFollower] = useState(NOTHING_YET);
  const [control, setControl] = useState(NO_CONTROL);
  const [wish, setWish] = useState('');
  const [hovered, setHovered] = useState<string>();
  const [link, setLink] = useState<string>();
  const [ctrl, setCtrl] = useState(false);
  const [runCount, setRunCount] = useState(0);
  const [found, setFound] = useState(NOTHING_FOUND);
  const [isFinding, setFinding] = useState(false);
  const [presence, setPresence] = useState<WatchersChange>();
  const [only, setOnly] = useState<Stream>();
  /** True if the program gets the size of this page while this page holds the lease. On a phone only on request. */
  const [isFit, setFit] = useState(() => hasKeyboard() || fresh);
  /** Size before a user on a phone chose *Fit*. */
  const sizeBefore = useRef<Size>(undefined);

  const now = follower.ended ?? info;
  const isForeign = now.foreign !== null;
  // Input is disabled while the screen lacks output: after an error, or at a paused position.
  const isShown = follower.error === undefined && follower.phase !== 'paused';
  const steerable = allows(scope, 'input') && now.running && isShown && !isForeign;
  const leaseStatus: LeaseStatus = leaseStatusOf(control.lease, control.yours, steerable);
  const { yours } = control;
  /** True if the terminal has the size of this page. */
  const isSized = yours && isFit;
  // The screen is created once per session; its callbacks must see the current state of the page.
  const latest = useRef({ ctrl, steerable, yours, running: now.running, info, at, theme, fresh, onSize, only, isFit });
  latest.current = { ctrl, steerable, yours, running: now.running, info, at, theme, fresh, onSize, only, isFit };

  const arrange = useCallback(() => {
    const { screen, steer } = parts.current ?? {};
    if (screen === undefined || steer === undefined) return;
    const isPipe = latest.current.info.mode === 'pipe';
    if (!isPipe && !(latest.current.yours && latest.current.isFit)) return screen.letterbox();
    const size = screen.fittingSize();
    const { cols, rows } = screen.size;
    if (size === undefined || (size.cols === cols && size.rows === rows)) return;
    // Pipes have no size: the page wraps their lines.
    if (isPipe) screen.resize(size);
    else steer.resize(size);
  }, []);

  useLayoutEffect(() => {
    const element = host.current;
    if (element === null) return;
    const begun = latest.current;
    const session = client.session(info.id);
    const steer = new Steer(session, begun.info.lease, (change) => setControl((before) => ({ ...before, ...change })));
    const typed = (text: string): void => {
      const { ctrl: isCtrl, steerable: may } = latest.current;
      if (isCtrl) setCtrl(false);
      if (may) steer.typed(isCtrl ? (withCtrl(text) ?? text) : text);
    };
    const { cols, rows, mode } = begun.info;
    const screen = new Screen(
      element,
      { cols, rows, theme: begun.theme, pipe: mode === 'pipe', screenReader },
      {
        typed,
        pointed: (report) => steer.pointed(report),
        replied: (text) => steer.replied(text),
        titled: setWish,
        hovered: setHovered,
        linkChosen: setLink,
        resized: () => arrange(),
        marked: setRunCount,
        found: setFound,
        finds: () => setFinding(true),
        neared: () => parts.current?.follow.reachUp(),
      },
    );
    const shownSigns = mode === 'pipe' && signs.current !== null ? screen.streams.show(signs.current) : undefined;
    const follow = new LogFollower(session, screen, (change: Partial<FollowerState>) =>
      setFollower((before) => ({ ...before, ...change })),
    );
    parts.current = { session, screen, follow, steer };
    begunAt.current = begun.at;
    follow.begin(begun.info, begun.at === undefined ? 'end' : { at: begun.at }, begun.only);
    const unwatch = session.watchers.on('change', setPresence);
    if (begun.fresh && begun.steerable) steer.acquire();
    // Without a release, a reload would meet its own lease for the duration of the grace period.
    const leave = (): void => {
      giveBack(steer, sizeBefore);
      steer.release();
    };
    window.addEventListener('pagehide', leave);
    if (hasKeyboard()) screen.focus();
    const observer = new ResizeObserver(() => {
      latest.current.onSize({ width: element.clientWidth, height: element.clientHeight });
      arrange();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      unwatch();
      parts.current = null;
      follow.stop();
      window.removeEventListener('pagehide', leave);
      giveBack(steer, sizeBefore);
      shownSigns?.dispose();
      steer.stop();
      session.detach();
      screen.dispose();
    };
  }, [client, info.id, screenReader, arrange]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another place is shown once, as the session is then.
  useEffect(() => {
    if (begunAt.current === at) return;
    begunAt.current = at;
    if (at !== undefined) parts.current?.follow.begin(now, { at }, only);
    else if (follower.phase === 'paused') parts.current?.follow.begin(now, 'end', only);
    else {
      parts.current?.screen.scrollToEnd();
      setFollower((before) => ({ ...before, place: undefined }));
    }
  }, [at]);
  useEffect(() => parts.current?.screen.setTheme(theme), [theme]);
  // The owner of the size decides where notices go: over the terminal for the lease holder, otherwise below it.
  useEffect(() => {
    const element = notices.current;
    if (element === null) return;
    const cover = (): void => parts.current?.screen.cover(isSized ? element.offsetHeight : 0);
    cover();
    const observer = new ResizeObserver(cover);
    observer.observe(element);
    return () => observer.disconnect();
  }, [isSized]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: who steers decides whose size it is.
  useEffect(() => arrange(), [isSized, arrange]);

  const hadLease = useRef(false);
  useEffect(() => {
    // Losing the lease on a phone turns *Fit* off: a later lease starts without it.
    if (hadLease.current && !yours && !hasKeyboard()) setFit(false);
    if (!yours) sizeBefore.current = undefined;
    hadLease.current = yours;
  }, [yours]);

  return {
    ...{ host, signs, notices, now, isForeign, steerable, leaseStatus, follower, control, wish, hovered, runCount },
    ...{ link, setLink, ctrl, setCtrl, found, isFinding, setFinding, only, presence },
    /** Null before the terminal is created, and after its disposal. */
    get parts(): Parts | null {
      return parts.current;
    },
    isSized,
    /** The size choice for a lease holder on a phone; undefined for others, whose size applies always or never. */
    fit:
      yours && now.mode === 'pty' && !hasKeyboard()
        ? {
            isFit,
            onFit: (on: boolean) => {
              const { screen, steer } = parts.current ?? {};
              if (on) sizeBefore.current = screen?.size;
              else if (steer !== undefined) giveBack(steer, sizeBefore);
              setFit(on);
            },
          }
        : undefined,
    /** Releases the lease, and restores the earlier size. */
    release: () => {
      const { steer } = parts.current ?? {};
      if (steer === undefined) return;
      giveBack(steer, sizeBefore);
      if (!hasKeyboard()) setFit(false);
      steer.release();
    },
    /** Hands the lease over, with the earlier size. */
    transfer: (to: string) => {
      const { steer } = parts.current ?? {};
      if (steer === undefined) return;
      giveBack(steer, sizeBefore);
      if (!hasKeyboard()) setFit(false);
      steer.transfer(to);
    },
    isRunning: () => latest.current.running,
    updateFollower: (change: Partial<FollowerState>) => setFollower((before) => ({ ...before, ...change })),
    updateControl: (change: Partial<ControlState>) => setControl((before) => ({ ...before, ...change })),
    /** Shows one stream of a session on pipes, or both. */
    showOnly: (stream: Stream | undefined) => {
      setOnly(stream);
      parts.current?.follow.begin(now, 'end', stream);
    },
    /** Focuses the terminal, if the device has a keyboard. */
    focus: () => {
      if (hasKeyboard()) parts.current?.screen.focus();
    },
  };
}

/** Restores the earlier size if it differs: the next holder should not find the size of a phone. */
function giveBack(steer: Steer, before: { current: Size | undefined }): void {
  const size = before.current;
  before.current = undefined;
  if (size !== undefined) steer.resizeNow(size);
}
