// Whose size a session's terminal has: this page's, while it holds the lease and the user wants so, or another's.

import type { MountedTerminal } from '@binnacle/client/react';
import type { TerminalSteer } from '@binnacle/client/terminal';
import type { SessionInfo } from '@binnacle/protocol';
import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';
import type { Size } from '../terminal/cell-size.ts';
import type { Screen } from '../terminal/screen.ts';

export const hasKeyboard = (): boolean => window.matchMedia('(hover: hover)').matches;

interface SizeOptions {
  readonly host: RefObject<HTMLElement | null>;
  readonly parts: RefObject<MountedTerminal<Screen> | null>;
  readonly mounted: MountedTerminal<Screen> | undefined;
  readonly mode: SessionInfo['mode'];
  /** True if this page holds the lease. */
  readonly isYours: boolean;
  /** True if this page just started the session. */
  readonly fresh: boolean;
  readonly onSize: (size: { readonly width: number; readonly height: number }) => void;
}

export function useSize({ host, parts, mounted, mode, isYours, fresh, onSize }: SizeOptions) {
  const notices = useRef<HTMLDivElement>(null);
  /** True if the program gets the size of this page while this page holds the lease. On a phone only on request. */
  const [isFit, setFit] = useState(() => hasKeyboard() || fresh);
  /** Size before a user on a phone chose *Fit*. */
  const sizeBefore = useRef<Size>(undefined);
  /** True if the terminal has the size of this page. */
  const isSized = isYours && isFit;
  const latest = useRef({ isSized, mode, onSize });
  latest.current = { isSized, mode, onSize };

  const arrange = useCallback(() => {
    const { screen, steer } = parts.current ?? {};
    if (screen === undefined || steer === undefined) return;
    const isPipe = latest.current.mode === 'pipe';
    if (!isPipe && !latest.current.isSized) return screen.letterbox();
    const size = screen.fittingSize();
    const { cols, rows } = screen.size;
    if (size === undefined || (size.cols === cols && size.rows === rows)) return;
    // Pipes have no size: the page wraps their lines.
    if (isPipe) screen.resize(size);
    else steer.resize(size);
  }, [parts]);

  useEffect(() => {
    const element = host.current;
    if (element === null || mounted === undefined) return;
    const { screen, steer } = mounted;
    const resized = screen.onResize(arrange);
    const observer = new ResizeObserver(() => {
      latest.current.onSize({ width: element.clientWidth, height: element.clientHeight });
      arrange();
    });
    observer.observe(element);
    // Without a release, a reload would meet its own lease for the duration of the grace period.
    const leave = (): void => {
      restoreSize(steer, sizeBefore);
      steer.release();
    };
    window.addEventListener('pagehide', leave);
    return () => {
      resized.dispose();
      observer.disconnect();
      window.removeEventListener('pagehide', leave);
      restoreSize(steer, sizeBefore);
    };
  }, [host, mounted, arrange]);

  // The owner of the size decides where notices go: over the terminal for the lease holder, otherwise below it.
  useEffect(() => {
    const element = notices.current;
    if (element === null || mounted === undefined) return;
    const cover = (): void => mounted.screen.cover(isSized ? element.offsetHeight : 0);
    cover();
    const observer = new ResizeObserver(cover);
    observer.observe(element);
    return () => observer.disconnect();
  }, [mounted, isSized]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: who steers decides whose size it is.
  useEffect(() => arrange(), [isSized, arrange]);

  const hadLease = useRef(false);
  useEffect(() => {
    // Losing the lease on a phone turns *Fit* off: a later lease starts without it.
    if (hadLease.current && !isYours && !hasKeyboard()) setFit(false);
    if (!isYours) sizeBefore.current = undefined;
    hadLease.current = isYours;
  }, [isYours]);

  /** Restores the earlier size, and then gives the lease away. */
  const giveAway = (act: (steer: TerminalSteer) => void): void => {
    const { steer } = parts.current ?? {};
    if (steer === undefined) return;
    restoreSize(steer, sizeBefore);
    if (!hasKeyboard()) setFit(false);
    act(steer);
  };
  const onFit = (on: boolean): void => {
    const { screen, steer } = parts.current ?? {};
    if (on) sizeBefore.current = screen?.size;
    else if (steer !== undefined) restoreSize(steer, sizeBefore);
    setFit(on);
  };
  return {
    notices,
    isSized,
    giveAway,
    /** The size choice for a lease holder on a phone; undefined for others, whose size applies always or never. */
    fit: isYours && mode === 'pty' && !hasKeyboard() ? { isFit, onFit } : undefined,
  };
}

/** Restores the earlier size if it differs: the next holder should not find the size of a phone. */
function restoreSize(steer: TerminalSteer, before: { current: Size | undefined }): void {
  const size = before.current;
  before.current = undefined;
  if (size !== undefined) steer.resizeNow(size);
}
