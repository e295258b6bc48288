// A session as a live terminal. xterm.js is loaded when the component is mounted, so nothing of it is needed on a server.

import { BinnacleError } from '@binnacle/protocol';
import type * as Xterm from '@xterm/xterm';
import { type CSSProperties, type RefObject, useCallback, useEffect, useRef } from 'react';
import type { UsedSession } from '../hooks/use-session.ts';
import {
  type MakeTerminal,
  type MountedTerminal,
  type UsedSessionTerminal,
  useSessionTerminal,
} from '../hooks/use-session-terminal.ts';
import type { SessionOptions } from '../stores/session.ts';
import { type TerminalAppearance, TerminalScreen } from '../terminal/screen.ts';
import { endText, type Status, statusOf } from './status.ts';
import { StatusLine } from './status-line.tsx';

/** Properties of `SessionTerminal`. */
export interface SessionTerminalProps extends TerminalAppearance {
  /** Id of the session. */
  readonly id: string;
  /** Start of the reading and limits. The options of the first component of a session count. */
  readonly options?: SessionOptions;
  /** Disables typing and resizing. Default false. */
  readonly readOnly?: boolean;
  /** Gives the program the size of this box while this client holds the lease. Default true. */
  readonly fit?: boolean;
  /** Takes the keyboard focus when mounted. Default false. */
  readonly autoFocus?: boolean;
  /** Name for screen readers. Default "Terminal". */
  readonly label?: string;
  /** CSS class. */
  readonly className?: string;
  /** CSS properties. Give it a height. */
  readonly style?: CSSProperties;
  /** Loads xterm.js. Default `() => import('@xterm/xterm')`. */
  readonly load?: () => Promise<Pick<typeof Xterm, 'Terminal'>>;
}

const BOX: CSSProperties = {
  position: 'relative',
  overflow: 'hidden',
  flex: '1 1 auto',
  minHeight: 0,
  display: 'flex',
  alignItems: 'center',
  justifyContent: 'center',
};
const loadXterm = (): Promise<Pick<typeof Xterm, 'Terminal'>> => import('@xterm/xterm');
const notLoaded = (cause: unknown): BinnacleError =>
  new BinnacleError('internal', {
    message: 'xterm.js could not be loaded.',
    hint: 'Add it to the page: npm install @xterm/xterm',
    cause,
  });

/**
 * Shows a session as a live terminal. Typing takes a free lease. xterm.js is loaded when the component is mounted, so a
 * server renders it without xterm.js.
 *
 * @example
 * ```tsx
 * import { SessionTerminal } from '@binnacle/client/react';
 * import '@binnacle/client/react.css';
 * import '@xterm/xterm/css/xterm.css';
 *
 * export const Shell = ({ id }: { id: string }) => (
 *   <SessionTerminal id={id} autoFocus scrollback={10_000} style={{ height: 400 }} />
 * );
 * ```
 */
export function SessionTerminal(props: SessionTerminalProps) {
  const { id, options = {}, readOnly = false, fit = true, label = 'Terminal', theme } = props;
  const box = useRef<HTMLDivElement>(null);
  const host = useRef<HTMLDivElement>(null);
  const make = useMakeTerminal(props, box, host);
  const { session, mounted: shown, problem } = useSessionTerminal(id, options, make);
  useSize(box, session, shown, fit && !readOnly);

  useEffect(() => {
    shown?.screen.setTheme(theme);
    shown?.screen.readOnly(readOnly || session.state === 'ended');
  }, [shown, theme, readOnly, session.state]);

  const status = terminalStatus(problem, session);
  return (
    <section
      className={`binnacle-terminal ${props.className ?? ''}`.trim()}
      style={{ position: 'relative', display: 'flex', flexDirection: 'column', ...props.style }}
      aria-label={label}
      data-session={id}
      data-state={session.state}
      data-lease={session.control.isYours ? 'yours' : session.control.lease === null ? 'free' : 'taken'}
      data-caught-up={session.isCaughtUp}
    >
      <div ref={box} className="binnacle-terminal-box" style={BOX}>
        <div ref={host} className="binnacle-terminal-host" />
      </div>
      {/* A line that takes room would give the program another size each time. */}
      <StatusLine status={status} isOver={session.state !== 'ended'}>
        {problem?.code === 'lease_held' && (
          <button type="button" onClick={() => shown?.steer.take()}>
            Take control
          </button>
        )}
        {session.state === 'failed' && (
          <button type="button" onClick={session.retry}>
            Try again
          </button>
        )}
      </StatusLine>
    </section>
  );
}

/** Returns what makes the terminal: xterm.js is loaded first. */
function useMakeTerminal(
  props: SessionTerminalProps,
  box: RefObject<HTMLElement | null>,
  host: RefObject<HTMLElement | null>,
): MakeTerminal<TerminalScreen> {
  const { load = loadXterm } = props;
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });
  return useCallback(
    async (steer, past) => {
      const typing = (act: () => void): void => {
        if (latest.current.readOnly !== true) act();
      };
      const xterm = await load().catch((cause: unknown) => {
        throw notLoaded(cause);
      });
      const [boxed, hosted] = [box.current, host.current];
      if (boxed === null || hosted === null) throw new BinnacleError('client_closed');
      const screen = new TerminalScreen(xterm, boxed, hosted, latest.current, {
        typed: (text) => typing(() => steer.typed(text)),
        pointed: (report) => typing(() => steer.pointed(report)),
        replied: (text) => typing(() => steer.replied(text)),
        past,
      });
      if (latest.current.autoFocus === true) screen.focus();
      return screen;
    },
    [load, box, host],
  );
}

/** Fits the program to the box while this client owns its size, and otherwise the font to the program's size. */
function useSize(
  box: RefObject<HTMLElement | null>,
  { info, control }: Pick<UsedSession, 'info' | 'control'>,
  shown: MountedTerminal | undefined,
  mayResize: boolean,
): void {
  const { cols, rows, mode } = info ?? {};
  const owns = control.isYours && mayResize && mode === 'pty';
  // biome-ignore lint/correctness/useExhaustiveDependencies: the size of the program's terminal is what it is fitted to
  useEffect(() => {
    const boxed = box.current;
    if (shown === undefined || boxed === null) return;
    let isOver = false;
    const place = (): void => {
      if (isOver) return;
      const size = owns || mode === 'pipe' ? shown.screen.fittingSize() : undefined;
      if (size === undefined) shown.screen.letterbox();
      // Without a terminal the program has no size, and the page wraps lines as it likes.
      else if (mode === 'pipe') shown.screen.resize(size);
      else if (size.cols !== cols || size.rows !== rows) shown.steer.resize(size);
    };
    // Chunks of the old size are drawn first.
    shown.screen.settled().then(place, () => undefined);
    const observer = new ResizeObserver(place);
    observer.observe(boxed);
    // History holds hundreds of sizes: one per frame is enough.
    let frame: number | undefined;
    const resized = shown.screen.onResize(() => {
      if (owns || mode === 'pipe') return;
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        place();
      });
    });
    return () => {
      isOver = true;
      observer.disconnect();
      resized.dispose();
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  }, [shown, owns, cols, rows, mode]);
}

function terminalStatus(
  problem: BinnacleError | undefined,
  session: UsedSessionTerminal<TerminalScreen>['session'],
): Status | undefined {
  const reading = statusOf(session);
  if (session.state !== 'live') return reading;
  if (problem !== undefined) return { tone: 'warn', text: problem.message, hint: problem.hint, code: problem.code };
  const { lostTo } = session.control;
  if (lostTo !== undefined && !session.control.isYours) {
    return { tone: 'warn', text: lostTo === null ? 'You’re no longer in control.' : `${lostTo} took control.` };
  }
  const ended = session.info === undefined ? undefined : endText(session.info);
  return reading ?? (ended === undefined ? undefined : { tone: 'plain', text: ended });
}
