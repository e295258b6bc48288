// The list of the sidebar: waiting rows first, then conversations, then sessions, newest first. Only rows near the
// visible part are in the document (virtualized), so that ten thousand rows cost as much as thirty.

import type { UsedConversations } from '@binnacle/client/react';
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import {
  type KeyboardEvent,
  type PointerEvent as ReactPointerEvent,
  type RefObject,
  useCallback,
  useDeferredValue,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { oneLine } from '../model/format.ts';
import { addressOf, type Route } from '../model/route.ts';
import { choices } from '../model/session-facets.ts';
import { useNow } from '../state/use-clock.ts';
import type { SessionList } from '../state/use-session-list.ts';
import { filtered, filteredTalks, isFiltering, NO_FILTER, type SessionFilter } from './filter.ts';
import { SessionFilterBar } from './filter-bar.tsx';
import { keyOf, type Row, routeOf, type Section, type SectionName, sectionsOf, stableOrder } from './rows.ts';
import { ListRow } from './sidebar-row.tsx';
import './sidebar-list.css';

interface SidebarListProps {
  readonly sessionList: SessionList;
  readonly conversationList: UsedConversations;
  readonly route: Route | undefined;
  readonly isNews: (row: Row) => boolean;
  readonly onChoose: (route: Route) => void;
  /** Receives the rows of the list, in order. */
  readonly onOrder: (rows: readonly Row[]) => void;
}

// Heights of sidebar-list.css: fixed heights need no measurement, so the page cannot jump.
const ROW_PX = 56;
const HEAD_PX = 30;
const NOTE_PX = 42;
/** Rows rendered above and below the visible part. */
const OVERSCAN = 8;
const PAGE_ROWS = 10;

const TITLES: Readonly<Record<SectionName, string>> = {
  waiting: 'Waiting for you',
  conversations: 'Conversations',
  sessions: 'Sessions',
};

type ListItem =
  | { readonly kind: 'head'; readonly key: string; readonly section: Section }
  | { readonly kind: 'note'; readonly key: string; readonly text: string; readonly busy: boolean }
  | { readonly kind: 'row'; readonly key: string; readonly row: Row; readonly at: number; readonly of: number };

const heightOf = (item: ListItem | undefined): number =>
  item === undefined || item.kind === 'row' ? ROW_PX : item.kind === 'head' ? HEAD_PX : NOTE_PX;

function itemsOf(sections: readonly Section[], loading: Readonly<Record<SectionName, boolean>>): readonly ListItem[] {
  const waiting = sections.find(({ name }) => name === 'waiting')?.rows ?? [];
  return sections.flatMap((section): ListItem[] => {
    const { name, rows } = section;
    if (name === 'waiting' && rows.length === 0) return [];
    // All rows of the section wait and stand above: "none yet" would be wrong.
    if (rows.length === 0 && !loading[name] && waiting.some((row) => `${row.kind}s` === name)) return [];
    const head: ListItem = { kind: 'head', key: name, section };
    if (rows.length > 0)
      return [
        head,
        ...rows.map((row, at) => ({ kind: 'row' as const, key: row.key, row, at: at + 1, of: rows.length })),
      ];
    const text = loading[name] ? 'Looking…' : name === 'sessions' ? 'No sessions yet.' : 'No conversations yet.';
    return [head, { kind: 'note', key: `no-${name}`, text, busy: loading[name] }];
  });
}

export function SidebarList({ sessionList, conversationList, route, isNews, onChoose, onOrder }: SidebarListProps) {
  const now = useNow();
  const scroller = useRef<HTMLElement>(null);
  const [editedFilter, setEditedFilter] = useState<SessionFilter>(NO_FILTER);
  // A typed key is shown at once; the filter over ten thousand rows runs after that.
  const filter = useDeferredValue(editedFilter);
  const { sessions } = sessionList;
  const { conversations } = conversationList;
  const isComing = conversationList.state === 'connecting';
  const { sources, labels } = useMemo(() => choices(sessions), [sessions]);
  const found = useMemo(
    () => sectionsOf(filtered(sessions, filter), filteredTalks(conversations, filter)),
    [sessions, conversations, filter],
  );
  // A change of the filter makes a new list, without an order to preserve.
  const { sections, holder } = useStableOrder(found, filter);
  const count = sections.reduce((sum, { rows }) => sum + rows.length, 0);
  const all = sessions.length + conversations.length;
  const isNarrow = isFiltering(filter);
  const items = useMemo(() => {
    const shown = isNarrow ? sections.filter(({ rows }) => rows.length > 0) : sections;
    return itemsOf(shown, { waiting: false, conversations: isComing, sessions: sessionList.loading });
  }, [sections, isNarrow, isComing, sessionList.loading]);
  useEffect(() => onOrder(sections.flatMap(({ rows }) => rows)), [sections, onOrder]);

  const current = keyOf(route);
  const { at, virtual, pressed, setActive } = useRowFocus(scroller, items, current);
  const choose = useCallback(
    (row: Row) => {
      setActive(row.key);
      onChoose(routeOf(row));
    },
    [onChoose, setActive],
  );

  return (
    <>
      {all > 0 && (
        <SessionFilterBar filter={editedFilter} sources={sources} labels={labels} onChange={setEditedFilter} />
      )}
      <p className="sr-only" role="status" data-testid="found">
        {isNarrow ? `${count} of ${all} rows` : ''}
      </p>
      <section
        className="sidebar-lists"
        ref={scroller}
        onKeyDown={pressed}
        {...holder}
        aria-busy={sessionList.loading || isComing || !sessionList.isWhole}
        aria-label="Conversations and sessions"
        data-testid="sidebar-list"
      >
        {count === 0 && isNarrow ? (
          <NoneMatch filter={filter} all={all} onChoose={onChoose} onClear={() => setEditedFilter(NO_FILTER)} />
        ) : (
          <div className="rows" style={{ height: virtual.getTotalSize() }}>
            {groups(virtual.getVirtualItems(), items).map(({ name, shown }) => (
              <div key={name} className="rows-of">
                {shown.map(({ item, top }) =>
                  item.kind === 'head' ? (
                    <h2 key={item.key} id={`rows-${name}`} className="rows-head" style={{ top }}>
                      {TITLES[item.section.name]}
                      {item.section.rows.length > 0 && <span className="rows-count">{item.section.rows.length}</span>}
                    </h2>
                  ) : item.kind === 'note' ? (
                    <p
                      key={item.key}
                      className={item.busy ? 'rows-note busy' : 'rows-note'}
                      style={{ top }}
                      data-testid={item.key}
                    >
                      {item.text}
                    </p>
                  ) : null,
                )}
                {shown.some(({ item }) => item.kind === 'row') && (
                  <ul aria-label={TITLES[name]} data-testid={`rows-${name}`}>
                    {shown.map(
                      ({ item, top, index }) =>
                        item.kind === 'row' && (
                          <li key={item.key} aria-posinset={item.at} aria-setsize={item.of} style={{ top }}>
                            <ListRow
                              row={item.row}
                              now={now}
                              current={item.key === current}
                              first={index === at}
                              news={isNews(item.row)}
                              onChoose={choose}
                              onFocus={setActive}
                            />
                          </li>
                        ),
                    )}
                  </ul>
                )}
              </div>
            ))}
          </div>
        )}
      </section>
    </>
  );
}

/** Virtualizes the rows, and moves the focus among them by keys. `current`: the row of the page in view. */
function useRowFocus(scroller: RefObject<HTMLElement | null>, items: readonly ListItem[], current: string | undefined) {
  const [active, setActive] = useState<string>();
  /** Index of the row with the focus or, without a focus, of the row that Tab reaches first. */
  const at = useMemo(() => {
    const found = (key: string | undefined): number =>
      key === undefined ? -1 : items.findIndex((item) => item.kind === 'row' && item.key === key);
    const here = found(active);
    const there = here === -1 ? found(current) : here;
    return there === -1 ? items.findIndex(({ kind }) => kind === 'row') : there;
  }, [items, active, current]);
  const virtual = useVirtualizer<HTMLElement, HTMLElement>({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => heightOf(items[index]),
    getItemKey: (index) => items[index]?.key ?? index,
    overscan: OVERSCAN,
    // The row with the focus stays in the document however far the list is scrolled.
    rangeExtractor: (range) => {
      const near = defaultRangeExtractor(range);
      if (at === -1 || at >= items.length || near.includes(at)) return near;
      return [...near, at].sort((a, b) => a - b);
    },
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: heights go by what the items are.
  useLayoutEffect(() => virtual.measure(), [virtual, items]);

  const focusing = useRef<string>(undefined);
  useLayoutEffect(() => {
    if (focusing.current === undefined) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(focusing.current)}"]`);
    if (row === null || row === undefined) return;
    focusing.current = undefined;
    row.focus({ preventScroll: true });
  });
  const pressed = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const to = target(event.key, items, at);
    const item = to === undefined ? undefined : items[to];
    if (to === undefined || item === undefined) return;
    event.preventDefault();
    focusing.current = item.key;
    setActive(item.key);
    // For the first row, its heading is scrolled into view, too.
    virtual.scrollToIndex(to <= 1 ? 0 : to, { align: 'auto' });
  };
  return { at, virtual, pressed, setActive };
}

/** Returns the row that a key leads to; undefined for other keys. */
function target(key: string, items: readonly ListItem[], at: number): number | undefined {
  const rows = items.flatMap((item, index) => (item.kind === 'row' ? [index] : []));
  const here = rows.indexOf(at);
  const last = rows.length - 1;
  const to: Readonly<Record<string, number>> = {
    ArrowDown: here + 1,
    ArrowUp: here - 1,
    PageDown: here + PAGE_ROWS,
    PageUp: here - PAGE_ROWS,
    Home: 0,
    End: last,
  };
  const editedFilter = to[key];
  return editedFilter === undefined ? undefined : rows[Math.max(0, Math.min(last, editedFilter))];
}

interface VisibleItem {
  readonly item: ListItem;
  readonly index: number;
  readonly top: number;
}

/** Groups the rendered rows by section. */
function groups(
  near: readonly { readonly index: number; readonly start: number }[],
  items: readonly ListItem[],
): readonly { readonly name: SectionName; readonly shown: readonly VisibleItem[] }[] {
  const heads = items.flatMap((item, index) => (item.kind === 'head' ? [{ name: item.section.name, index }] : []));
  return heads.map(({ name, index }, n) => {
    const end = heads[n + 1]?.index ?? items.length;
    const shown = near.flatMap(({ index: i, start }) => {
      const item = items[i];
      return item !== undefined && i >= index && i < end ? [{ item, index: i, top: start }] : [];
    });
    return { name, shown };
  });
}

interface NoneMatchProps {
  readonly filter: SessionFilter;
  readonly all: number;
  readonly onChoose: (route: Route) => void;
  readonly onClear: () => void;
}

function NoneMatch({ filter, all, onChoose, onClear }: NoneMatchProps) {
  const text = filter.text.trim();
  const search: Route = { kind: 'search', q: text };
  return (
    <div className="rows-none" data-testid="none-match">
      <p>None of {all} fits the filter.</p>
      <button type="button" className="button" onClick={onClear} data-testid="none-clear">
        Show all
      </button>
      {text !== '' && (
        <a
          className="button quiet"
          href={addressOf(search)}
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            onChoose(search);
          }}
        >
          Search all output for “{oneLine(text, 30)}”
        </a>
      )}
    </div>
  );
}

interface StableOrder {
  readonly sections: readonly Section[];
  /** Handlers for the element that contains the rows. */
  readonly holder: {
    readonly onPointerMove: (event: ReactPointerEvent) => void;
    readonly onPointerLeave: () => void;
    readonly onFocus: () => void;
    readonly onBlur: () => void;
  };
}

/** Returns the rows in a stable order. `list`: a change of this identity discards the earlier order. */
function useStableOrder(now: readonly Section[], list: unknown): StableOrder {
  const [isFrozen, setFrozen] = useState(false);
  const shown = useRef({ now, list, sections: now });
  const before = shown.current;
  if (before.now !== now || before.list !== list || !isFrozen) {
    const sections = isFrozen && before.list === list ? stableOrder(before.sections, now) : now;
    shown.current = { now, list, sections };
  }
  useEffect(() => {
    if (!isFrozen) return;
    // A key typed elsewhere means that the user has left the list, wherever the pointer lies.
    const pressed = (event: Event): void => {
      if (!(event.target instanceof Element) || event.target.closest('.sidebar-lists') === null) setFrozen(false);
    };
    window.addEventListener('keydown', pressed, { capture: true });
    return () => window.removeEventListener('keydown', pressed, { capture: true });
  }, [isFrozen]);
  return {
    sections: shown.current.sections,
    holder: {
      onPointerMove: ({ pointerType }) => {
        // A finger is only there while it chooses.
        if (pointerType !== 'touch') setFrozen(true);
      },
      onPointerLeave: () => setFrozen(false),
      onFocus: () => setFrozen(true),
      onBlur: () => setFrozen(false),
    },
  };
}
