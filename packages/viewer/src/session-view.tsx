// One session: its header, its terminal, and what is to be said about it. Puts Screen, Follow and Steer together.

import type { Binnacle, Session } from '@binnacle/client';
import { allows, type Scope, type SessionInfo } from '@binnacle/protocol';
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { addressOf } from './choice.ts';
import { EndSession } from './end-session.tsx';
import { Follow, type Followed, NOTHING_YET } from './follow.ts';
import { ForeignStrip, LostNotice } from './foreign.tsx';
import { HelmButton, helmOf, helmWords } from './helm.tsx';
import { BinIcon, InterruptIcon, SearchIcon, StopIcon } from './icons.tsx';
import { KeyBar, withCtrl } from './key-bar.tsx';
import { LinkQuestion } from './link-question.tsx';
import { EndNotice, ErrorNotice, GapNotice, HelmLostNotice, Notice, PlaceNotice, StalledNotice } from './notices.tsx';
import { Screen } from './screen.ts';
import { Steer, type Steered } from './steer.ts';
import type { Theme } from './theme.ts';
import { bytes, commandLine, ending, mark, oneLine, stateWord, title } from './words.ts';

interface SessionViewProps {
  readonly client: Binnacle;
  /** As the list knows it, live. */
  readonly info: SessionInfo;
  readonly scope: Scope;
  /** The output offset to show; without it the end. */
  readonly at: number | undefined;
  readonly theme: Theme;
  readonly screenReader: boolean;
  /** We started it just now: take the helm at once. */
  readonly fresh: boolean;
  /** Came by a share link: what takes more than typing is not offered. */
  readonly guest?: boolean;
  readonly menu: ReactNode;
  /** Notices about the connection: they stand above ours. */
  readonly linkNotice: ReactNode;
  readonly onSize: (size: { readonly width: number; readonly height: number }) => void;
  /** The place that was asked for is left. */
  readonly onLive: () => void;
}

interface Parts {
  readonly session: Session;
  readonly screen: Screen;
  readonly follow: Follow;
  readonly steer: Steer;
}

const NOT_STEERED: Steered = { lease: null, yours: false, busy: false, lostTo: undefined, error: undefined };
const hasKeyboard = (): boolean => window.matchMedia('(hover: hover)').matches;

export function SessionView(props: SessionViewProps) {
  const { client, info, scope, at, theme, screenReader, fresh, menu, linkNotice, onSize, onLive } = props;
  const isGuest = props.guest === true;
  const host = useRef<HTMLElement>(null);
  const notices = useRef<HTMLDivElement>(null);
  const parts = useRef<Parts>(null);
  /** What was asked for when the screen was drawn last. */
  const begunAt = useRef(at);
  const [followed, setFollowed] = useState(NOTHING_YET);
  const [steered, setSteered] = useState(NOT_STEERED);
  const [wish, setWish] = useState('');
  const [hovered, setHovered] = useState<string>();
  const [link, setLink] = useState<string>();
  const [ctrl, setCtrl] = useState(false);
  const [asking, setAsking] = useState(false);

  const now = followed.ended ?? info;
  const isForeign = now.foreign !== null;
  // Nobody should type into what is not on the screen.
  const isShown = followed.error === undefined && followed.phase !== 'held';
  const steerable = allows(scope, 'input') && now.running && isShown && !isForeign;
  /** The button ends the program; else it removes the session. */
  const isEnding = now.running && !isForeign;
  const helm = helmOf(steered.lease, steered.yours, steerable);
  // The screen is made once a session; what it calls must see the page as it is then.
  const latest = useRef({
    ctrl,
    steerable,
    yours: steered.yours,
    running: now.running,
    info,
    at,
    theme,
    fresh,
    onSize,
  });
  latest.current = { ctrl, steerable, yours: steered.yours, running: now.running, info, at, theme, fresh, onSize };

  const arrange = useCallback(() => {
    const { screen, steer } = parts.current ?? {};
    if (screen === undefined || steer === undefined) return;
    const isPipe = latest.current.info.mode === 'pipe';
    if (!isPipe && !latest.current.yours) return screen.letterbox();
    const wanted = screen.wanted();
    const { cols, rows } = screen.size;
    if (wanted === undefined || (wanted.cols === cols && wanted.rows === rows)) return;
    // Pipes have no size: the page wraps their lines as it likes.
    if (isPipe) screen.resize(wanted);
    else steer.resize(wanted);
  }, []);

  useLayoutEffect(() => {
    const element = host.current;
    if (element === null) return;
    const begun = latest.current;
    const session = client.session(info.id);
    const steer = new Steer(session, begun.info.lease, (change) => setSteered((before) => ({ ...before, ...change })));
    const typed = (text: string): void => {
      const { ctrl: held, steerable: may } = latest.current;
      if (held) setCtrl(false);
      if (may) steer.typed(held ? (withCtrl(text) ?? text) : text);
    };
    const screen = new Screen(
      element,
      {
        cols: begun.info.cols,
        rows: begun.info.rows,
        theme: begun.theme,
        pipe: begun.info.mode === 'pipe',
        screenReader,
      },
      {
        typed,
        pointed: (report) => steer.pointed(report),
        replied: (text) => steer.replied(text),
        titled: setWish,
        hovered: setHovered,
        followed: setLink,
        resized: () => arrange(),
      },
    );
    const follow = new Follow(session, screen, (change: Partial<Followed>) =>
      setFollowed((before) => ({ ...before, ...change })),
    );
    parts.current = { session, screen, follow, steer };
    begunAt.current = begun.at;
    follow.begin(begun.info, begun.at === undefined ? 'end' : { at: begun.at });
    if (begun.fresh && begun.steerable) steer.acquire();
    // A reload would else meet its own lease for as long as its grace lasts.
    const leave = (): void => steer.release();
    window.addEventListener('pagehide', leave);
    if (hasKeyboard()) screen.focus();
    const observer = new ResizeObserver(() => {
      latest.current.onSize({ width: element.clientWidth, height: element.clientHeight });
      arrange();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      parts.current = null;
      follow.stop();
      window.removeEventListener('pagehide', leave);
      steer.stop();
      session.detach();
      screen.dispose();
    };
  }, [client, info.id, screenReader, arrange]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another place is shown once, as the session is then.
  useEffect(() => {
    if (begunAt.current === at) return;
    begunAt.current = at;
    if (at !== undefined) parts.current?.follow.begin(now, { at });
    else if (followed.phase === 'held') parts.current?.follow.begin(now, 'end');
    else {
      parts.current?.screen.scrollToEnd();
      setFollowed((before) => ({ ...before, place: undefined }));
    }
  }, [at]);
  useEffect(() => parts.current?.screen.setTheme(theme), [theme]);
  // Whose size it is decides where notices go: over the terminal of the one who steers, else below it.
  useEffect(() => {
    const element = notices.current;
    if (element === null) return;
    const cover = (): void => parts.current?.screen.cover(steered.yours ? element.offsetHeight : 0);
    cover();
    const observer = new ResizeObserver(cover);
    observer.observe(element);
    return () => observer.disconnect();
  }, [steered.yours]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: who steers decides whose size it is.
  useEffect(() => arrange(), [steered.yours, arrange]);

  const back = (): void => {
    if (hasKeyboard()) parts.current?.screen.focus();
  };
  const name = oneLine(title(now));
  const command = oneLine(followed.command ?? commandLine(now), 200);
  const status = [
    isForeign ? 'Runs elsewhere' : helmWords(helm),
    followed.phase === 'past' ? 'loading history' : (ending(now) ?? ''),
    followed.place === undefined ? '' : 'at the place found',
  ].filter(Boolean);

  return (
    <main
      className="main"
      aria-label={`Session ${name}`}
      data-testid="session-view"
      data-session={info.id}
      data-phase={followed.phase}
    >
      <header className="bar">
        {menu}
        <div className="bar-name">
          <h2>
            <span className={`dot ${mark(now)}`} />
            <span data-testid="session-title">{name}</span>
          </h2>
          <p title={wish || now.cwd}>
            {stateWord(now)}
            {command !== name && (
              <>
                {' '}
                · <code>{command}</code>
              </>
            )}
            {' · '}
            {[wish !== '' && wish !== name ? wish : now.cwd, now.mode === 'pty' ? `${now.cols}×${now.rows}` : 'pipes']
              .filter(Boolean)
              .join(' · ')}
          </p>
        </div>
        {!isGuest && (
          <a
            className="button quiet square wide"
            href={addressOf({ kind: 'search', q: '', session: info.id })}
            aria-label="Search this session"
            title="Search this session"
            data-testid="search-session"
          >
            <SearchIcon />
          </a>
        )}
        {now.running && !isForeign && (
          <HelmButton
            helm={helm}
            busy={steered.busy}
            onAcquire={() => {
              parts.current?.steer.acquire();
              back();
            }}
            onTake={() => {
              parts.current?.steer.take();
              back();
            }}
            onRelease={() => parts.current?.steer.release()}
          />
        )}
        {steerable && !isGuest && (
          <button
            type="button"
            className="button quiet square wide"
            aria-label="Interrupt"
            title="Interrupt the program (SIGINT)"
            data-testid="interrupt"
            onClick={() => {
              parts.current?.steer.interrupt();
              back();
            }}
          >
            <InterruptIcon />
          </button>
        )}
        {!isGuest && allows(scope, isEnding ? 'input' : 'create') && (
          <button
            type="button"
            className="button quiet square"
            aria-label={isEnding ? 'End the program' : 'Remove the session'}
            title={isEnding ? 'End the program…' : 'Remove the session…'}
            data-testid="kill"
            onClick={() => setAsking(true)}
          >
            {isEnding ? <StopIcon /> : <BinIcon />}
          </button>
        )}
      </header>
      <ForeignStrip info={now} heardAt={followed.heardAt} />
      <p className="sr-only" role="status" aria-live="polite" data-testid="status">
        {status.join(', ')}
      </p>
      <div className="stage">
        <div className="screen-area">
          <div className="screen">
            <section
              className={steered.yours || info.mode === 'pipe' ? 'screen-fit' : 'screen-fit watching'}
              ref={host}
              aria-label={`Terminal of ${name}`}
              data-testid="terminal"
              data-helm={helm.kind}
            />
          </div>
          {hovered !== undefined && <div className="target">{hovered}</div>}
        </div>
        <div
          className={steered.yours ? 'notices over' : 'notices'}
          ref={notices}
          aria-live="polite"
          data-testid="notices"
        >
          {linkNotice}
          {followed.error !== undefined && <ErrorNotice error={followed.error} />}
          {followed.gap !== undefined && (
            <GapNotice gap={followed.gap} onClose={() => setFollowed((before) => ({ ...before, gap: undefined }))} />
          )}
          {steered.lostTo !== undefined && now.running && (
            <HelmLostNotice
              holder={steered.lostTo ?? undefined}
              onClose={() => setSteered((before) => ({ ...before, lostTo: undefined }))}
            />
          )}
          {steered.error !== undefined && (
            <ErrorNotice
              error={steered.error}
              onClose={() => setSteered((before) => ({ ...before, error: undefined }))}
            />
          )}
          <LostNotice lostBytes={followed.lostBytes} />
          {followed.place !== undefined && (
            <PlaceNotice
              place={followed.place}
              ahead={followed.phase === 'held' ? followed.ahead : 0}
              running={now.running}
              onLive={onLive}
            />
          )}
          {followed.skipped > 0 && followed.place === undefined && (
            <Notice
              about="earlier"
              tone="plain"
              act={{ label: 'Load earlier output', onClick: () => parts.current?.follow.begin(now, 'start') }}
              onClose={() => setFollowed((before) => ({ ...before, skipped: 0 }))}
            >
              {bytes(followed.skipped)} of earlier output are kept, and not shown.
            </Notice>
          )}
          {now.stalled !== null && <StalledNotice />}
          {!now.running && followed.phase !== 'held' && <EndNotice info={now} />}
        </div>
      </div>
      {steerable && (
        <KeyBar
          ctrl={ctrl}
          onCtrl={() => setCtrl((on) => !on)}
          onText={(text) => parts.current?.screen.press(text)}
          onArrow={(arrow) => parts.current?.screen.pressArrow(arrow)}
        />
      )}
      {asking && (
        <EndSession
          info={now}
          onKill={async () => parts.current?.steer.kill(() => latest.current.running)}
          onRemove={() => client.sessions.delete(info.id)}
          onClose={() => {
            setAsking(false);
            back();
          }}
        />
      )}
      {link !== undefined && <LinkQuestion target={link} onClose={() => setLink(undefined)} />}
    </main>
  );
}
