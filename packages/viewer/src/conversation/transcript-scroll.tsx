// The scrolling transcript: stays at the end if the reader is there, and otherwise at the line being read. Limits the
// number of turns in the document, and decides which are shown.

import type { ConversationItem } from '@binnacle/client';
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { PartErrorBoundary } from '../ui/error-boundary.tsx';
import { DownIcon } from '../ui/icons.tsx';
import './transcript-scroll.css';

export interface TranscriptEntry {
  readonly key: string;
  readonly item: ConversationItem;
}

interface TranscriptScrollProps {
  readonly entries: readonly TranscriptEntry[];
  readonly render: (item: ConversationItem) => ReactNode;
  readonly loading: boolean;
  readonly loadingOlder: boolean;
  readonly hasOlder: boolean;
  /** Reason to look at the end; undefined if there is none. */
  readonly endLabel: string | undefined;
  readonly onOlder: () => void;
  /** Called when the reader is near the end, so that turns far above may be dropped. */
  readonly onTrim: () => void;
  readonly empty: ReactNode;
}

/** Maximum turns in the document. */
const MAX_SHOWN = 120;
const STEP = 30;
// Maximum distance from the end at which the reader counts as following.
const NEAR_PX = 48;
// Distance from the first turn at which older turns are loaded, before the reader arrives there.
const EARLY_PX = 300;

interface Anchor {
  readonly key: string;
  readonly top: number;
}

export function TranscriptScroll(props: TranscriptScrollProps) {
  const { entries, render, loading, loadingOlder, hasOlder, endLabel, empty } = props;
  const { box, atEnd, start, shown, hasLater, earlier, later, measure, scrolled, jump } = useReader(props);
  return (
    <div className="talk-area">
      <section
        className="talk"
        ref={box}
        onScroll={scrolled}
        // A reader who opens a row at the end reads that row: new content must not push it away.
        onClickCapture={() => requestAnimationFrame(measure)}
        aria-label="What was said"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        data-testid="talk"
        data-at-end={atEnd}
      >
        <div className="talk-column">
          {loading && <p className="talk-loading">Looking…</p>}
          {!loading && (hasOlder || start > 0) && entries.length > 0 && (
            <button
              type="button"
              className="button quiet talk-older"
              onClick={earlier}
              disabled={loadingOlder}
              data-testid="older"
            >
              {loadingOlder ? 'Loading…' : 'Earlier messages'}
            </button>
          )}
          {!loading && entries.length === 0 && empty}
          {shown.map(({ key, item }) => (
            <div key={key} data-entry={key}>
              <PartErrorBoundary of={item}>{render(item)}</PartErrorBoundary>
            </div>
          ))}
          {hasLater && (
            <button type="button" className="button quiet talk-older" onClick={later} data-testid="later">
              Later messages
            </button>
          )}
        </div>
      </section>
      {(!atEnd || hasLater) && (
        <button type="button" className="button jump" onClick={jump} data-testid="jump">
          <DownIcon /> {endLabel ?? 'Jump to the latest'}
        </button>
      )}
    </div>
  );
}

/** The part of the transcript that is shown, and the reader's way through it. */
function useReader({ entries, loadingOlder, hasOlder, onOlder, onTrim }: TranscriptScrollProps) {
  const box = useRef<HTMLDivElement>(null);
  const anchor = useRef<Anchor>(undefined);
  const [atEnd, setAtEnd] = useState(true);
  const isAtEnd = useRef(true);
  // True if older turns were requested and are to be shown on arrival.
  const wantsOlder = useRef(false);
  // Key of the first shown turn; undefined: as many as fit before the end.
  const [first, setFirst] = useState<string>();

  const found = first === undefined ? -1 : entries.findIndex((entry) => entry.key === first);
  const start = found < 0 ? Math.max(0, entries.length - MAX_SHOWN) : found;
  const shown = entries.slice(start, start + MAX_SHOWN);
  const hasLater = start + shown.length < entries.length;

  /** Remembers the first visible turn and its position, which stay when older turns are put before it. */
  const hold = useCallback((): void => {
    const element = box.current;
    if (element === null) return;
    const edge = element.getBoundingClientRect().top;
    for (const turn of element.querySelectorAll<HTMLElement>('[data-entry]')) {
      const { top, bottom } = turn.getBoundingClientRect();
      if (bottom <= edge) continue;
      anchor.current = { key: turn.dataset.entry ?? '', top: top - edge };
      return;
    }
  }, []);

  const toEnd = useCallback((): void => {
    const element = box.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: after every change of what is shown
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    if (isAtEnd.current && !hasLater) {
      toEnd();
      return;
    }
    const saved = anchor.current;
    if (saved === undefined) return;
    const turn = element.querySelector<HTMLElement>(`[data-entry="${CSS.escape(saved.key)}"]`);
    if (turn === null) return;
    const moved = turn.getBoundingClientRect().top - element.getBoundingClientRect().top - saved.top;
    if (Math.abs(moved) > 0.5) element.scrollTop += moved;
  }, [entries, start, loadingOlder]);

  // A phone's keyboard, a longer message below, a rotated screen: the end stays visible.
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) toEnd();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [toEnd]);

  const earlier = useCallback((): void => {
    hold();
    if (start > 0) setFirst(entries[Math.max(0, start - STEP)]?.key);
    else if (hasOlder && !loadingOlder) {
      // Loaded turns are outside the shown window at first, and then move into it.
      setFirst(entries[0]?.key);
      wantsOlder.current = true;
      onOlder();
    }
  }, [hold, start, entries, hasOlder, loadingOlder, onOlder]);

  useLayoutEffect(() => {
    if (loadingOlder || !wantsOlder.current || start === 0) return;
    wantsOlder.current = false;
    setFirst(entries[Math.max(0, start - STEP)]?.key);
  }, [loadingOlder, entries, start]);

  const later = useCallback((): void => {
    hold();
    const next = start + STEP;
    setFirst(next + MAX_SHOWN >= entries.length ? undefined : entries[next]?.key);
  }, [hold, start, entries]);

  /** Measures the reader's position. */
  const measure = (): void => {
    const element = box.current;
    if (element === null) return;
    const rest = element.scrollHeight - element.scrollTop - element.clientHeight;
    isAtEnd.current = rest < NEAR_PX && !hasLater;
    setAtEnd(isAtEnd.current);
    hold();
  };
  const scrolled = (): void => {
    measure();
    if (isAtEnd.current) {
      setFirst(undefined);
      onTrim();
    } else if (box.current !== null && box.current.scrollTop < EARLY_PX) earlier();
  };

  const jump = (): void => {
    isAtEnd.current = true;
    setAtEnd(true);
    setFirst(undefined);
    toEnd();
    onTrim();
  };

  return { box, atEnd, start, shown, hasLater, earlier, later, measure, scrolled, jump };
}
