// A session as a log of lines: follows the end while the reader is there, marks stderr, and reports gaps in words. Only
// the visible lines are in the document.

import {
  type ClipboardEvent,
  type CSSProperties,
  type KeyboardEvent,
  memo,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';
import { useSession } from '../hooks/use-session.ts';
import { type LinesOptions, useSessionLines } from '../hooks/use-session-lines.ts';
import { type LogLine, textOfLines } from '../log/lines.ts';
import { selectedIn, textIn } from '../log/selection.ts';
import { type LineWindow, windowOf } from '../log/window.ts';
import { statusOf } from './status.ts';
import { StatusLine } from './status-line.tsx';

/** Properties of `SessionLog`. */
export interface SessionLogProps {
  /** Id of the session. */
  readonly id: string;
  /** Start of the reading and limits. The options of the first component of a session count. */
  readonly options?: LinesOptions;
  /** Announces new lines to a screen reader, a sentence at a time. Default true. */
  readonly announce?: boolean;
  /** Name for screen readers. Default "Log". */
  readonly label?: string;
  /** CSS class. */
  readonly className?: string;
  /** CSS properties. Give it a height: the log scrolls. */
  readonly style?: CSSProperties;
}

// A reader within this distance of the end follows new lines.
const NEAR_LINES = 1.5;
/** Until the lines are measured. */
const FIRST_LINE_PX = 18;

const SCROLL: CSSProperties = { flex: '1 1 auto', minHeight: 0, overflow: 'auto', overflowAnchor: 'none' };
// In em, so that each line has the same height whatever is in it: a wide character, or a font that is missing one.
const LINE: CSSProperties = {
  whiteSpace: 'pre',
  height: '1.4em',
  lineHeight: '1.4em',
  fontFamily: 'var(--binnacle-font, monospace)',
};
const MARK: CSSProperties = { userSelect: 'none' };
const HIDDEN: CSSProperties = {
  position: 'absolute',
  width: 1,
  height: 1,
  overflow: 'hidden',
  clipPath: 'inset(50%)',
  whiteSpace: 'pre-line',
};

/**
 * Shows a session as a log of lines. It follows the end while the reader is there, marks stderr, and reports gaps
 * and the end in words.
 *
 * @example
 * ```tsx
 * import { SessionLog } from '@binnacle/client/react';
 * import '@binnacle/client/react.css';
 *
 * export const Log = ({ id }: { id: string }) => (
 *   <SessionLog id={id} options={{ maxLines: 2000 }} style={{ height: 300 }} />
 * );
 * ```
 */
export function SessionLog({ id, options, announce = true, label = 'Log', className, style }: SessionLogProps) {
  const session = useSession(id, withoutLines(options));
  const lines = useSessionLines(id, options);
  const reader = useLogReader(lines);
  const { atEnd, seen, rendered } = reader;
  const announced = useAnnouncement(lines, session.isCaughtUp, announce);
  const status = statusOf(session);
  const isCutBefore = (lines[0]?.number ?? 0) > 0 || session.skippedBytes > 0 || session.chunks.droppedBytes > 0;
  return (
    <div
      className={`binnacle-log ${className ?? ''}`.trim()}
      style={{ display: 'flex', flexDirection: 'column', ...style }}
      data-session={id}
      data-state={session.state}
      data-at-end={atEnd}
    >
      {isCutBefore && <p className="binnacle-log-before">Earlier output is not shown here.</p>}
      <section
        ref={reader.scroller}
        className="binnacle-log-lines"
        style={SCROLL}
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        onScroll={reader.measure}
        onCopy={reader.copy}
        onKeyDown={reader.key}
        onMouseDown={reader.deselect}
      >
        <div
          ref={reader.content}
          style={{
            paddingTop: rendered.from * seen.line,
            paddingBottom: (lines.length - rendered.to) * seen.line,
            width: 'max-content',
            minWidth: '100%',
          }}
        >
          {lines.slice(rendered.from, rendered.to).map((line) => (
            <Line key={line.number} line={line} />
          ))}
        </div>
      </section>
      {!atEnd && (
        <button type="button" className="binnacle-log-jump" onClick={reader.jump}>
          Jump to the latest
        </button>
      )}
      <div aria-live="polite" style={HIDDEN}>
        {announced}
      </div>
      <StatusLine status={status}>
        {session.state === 'failed' && (
          <button type="button" onClick={session.retry}>
            Try again
          </button>
        )}
      </StatusLine>
    </div>
  );
}

/** The lines that are in the document, and the reader's way through all of them: scrolling, selecting, copying. */
function useLogReader(lines: readonly LogLine[]) {
  const scroller = useRef<HTMLElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const isAtEnd = useRef(true);
  const [seen, setSeen] = useState({ top: 0, height: 0, line: FIRST_LINE_PX });
  const [pinned, setPinned] = useState<LineWindow>();
  const lineHeight = useRef(FIRST_LINE_PX);
  // All lines are selected, also those that are not in the document.
  const isAll = useRef(false);
  const firstShown = useRef(0);

  const count = lines.length;
  const first = lines[0]?.number ?? 0;
  // At the end the place follows from the number of lines: nothing has to be measured while they come.
  const top = atEnd ? Math.max(0, count * seen.line - seen.height) : seen.top;
  const pinnedNow = pinned === undefined ? undefined : { from: pinned.from - first, to: pinned.to - first };
  const rendered = windowOf(count, { ...seen, top }, pinnedNow);

  /** Present place of the reader. */
  const measure = useCallback((): void => {
    const element = scroller.current;
    if (element === null) return;
    const row = content.current?.firstElementChild?.getBoundingClientRect().height ?? 0;
    if (row > 0) lineHeight.current = row;
    const line = lineHeight.current;
    const { scrollTop, clientHeight: height, scrollHeight } = element;
    isAtEnd.current = scrollHeight - scrollTop - height < NEAR_LINES * line;
    setAtEnd(isAtEnd.current);
    setSeen((before) => {
      const isSame = before.height === height && before.line === line;
      return isSame && (isAtEnd.current || before.top === scrollTop) ? before : { top: scrollTop, height, line };
    });
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: after every change of what there is to see
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const removedLines = first - firstShown.current;
    firstShown.current = first;
    if (isAtEnd.current) element.scrollTop = element.scrollHeight;
    // The visible lines stay in place when lines above them are dropped.
    else if (removedLines > 0) element.scrollTop -= removedLines * seen.line;
  }, [lines, seen.line, seen.height]);

  const hasLines = count > 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the first line is what is measured
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const fit = (): void => {
      if (isAtEnd.current) element.scrollTop = element.scrollHeight;
      measure();
    };
    fit();
    const observer = new ResizeObserver(fit);
    observer.observe(element);
    return () => observer.disconnect();
  }, [measure, hasLines]);

  // Selected lines stay in the document.
  useEffect(() => {
    const changed = (): void => {
      const selected = scroller.current === null ? undefined : selectedIn(scroller.current);
      const isPinned = selected !== undefined && !isAll.current;
      const now = isPinned ? { from: selected.from.number, to: selected.to.number + 1 } : undefined;
      setPinned((before) => (before?.from === now?.from && before?.to === now?.to ? before : now));
    };
    document.addEventListener('selectionchange', changed);
    return () => document.removeEventListener('selectionchange', changed);
  }, []);

  const copy = (event: ClipboardEvent): void => {
    const selected = scroller.current === null ? undefined : selectedIn(scroller.current);
    if (selected === undefined && !isAll.current) return;
    event.preventDefault();
    const text = isAll.current || selected === undefined ? textOfLines(lines) : textIn(lines, selected);
    event.clipboardData.setData('text/plain', text);
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === 'a' && (event.ctrlKey || event.metaKey) && !event.altKey && content.current !== null) {
      event.preventDefault();
      isAll.current = true;
      document.getSelection()?.selectAllChildren(content.current);
    }
  };
  const jump = (): void => {
    isAtEnd.current = true;
    setAtEnd(true);
    const element = scroller.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  };
  const deselect = (): void => {
    isAll.current = false;
  };
  return { scroller, content, atEnd, seen, rendered, measure, copy, key, jump, deselect };
}

/** One line. A sign and a word mark stderr too: some readers see no colours or have no style sheet. */
const Line = memo(function Line({ line: { number, kind, text } }: { readonly line: LogLine }) {
  return (
    <div className={`binnacle-log-line binnacle-${kind}`} style={LINE} data-line={number} data-kind={kind}>
      {kind === 'stderr' && (
        <span className="binnacle-log-mark" style={MARK} title="stderr" role="img" aria-label="stderr">
          {'! '}
        </span>
      )}
      {kind === 'notice' && <span style={MARK}>{'— '}</span>}
      <span data-text="">{text}</span>
    </div>
  );
});

function withoutLines(options: LinesOptions = {}): LinesOptions {
  const { maxLines: _, ...rest } = options;
  return rest;
}

/** Speech cannot follow a flood; about as often as it finishes a sentence. */
const EVERY_MS = 1500;
const FEW_LINES = 3;
const MAX_CHARS = 300;

/** Returns the announcement of lines that come once `isCaughtUp`. History is not announced. */
function useAnnouncement(lines: readonly LogLine[], isCaughtUp: boolean, isOn: boolean): string {
  const [announcement, setAnnouncement] = useState('');
  const announcedTo = useRef<number>(undefined);
  const latest = useRef(lines);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    latest.current = lines;
    const end = (lines.at(-1)?.number ?? -1) + 1;
    if (!isOn || !isCaughtUp) {
      announcedTo.current = undefined;
      return;
    }
    if (announcedTo.current === undefined || announcedTo.current > end) announcedTo.current = end;
    if (announcedTo.current === end) return;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const from = announcedTo.current ?? 0;
      const fresh = latest.current.filter(({ number, text }) => number >= from && text.trim() !== '');
      announcedTo.current = (latest.current.at(-1)?.number ?? -1) + 1;
      if (fresh.length === 0) return;
      setAnnouncement(
        fresh.length > FEW_LINES ? `${announcedTo.current - from} new lines` : fresh.map(textOf).join('\n'),
      );
    }, EVERY_MS);
  }, [lines, isCaughtUp, isOn]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    },
    [],
  );
  return announcement;
}

const textOf = ({ kind, text }: LogLine): string =>
  `${kind === 'stderr' ? 'error output: ' : ''}${text.slice(0, MAX_CHARS)}`;
