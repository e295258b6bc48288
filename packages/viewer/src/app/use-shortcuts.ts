// The actions of the page's keys: moving between rows, between the list and the pane, and opening overlays.

import { useEffect, useRef } from 'react';
import { isSameRoute, type Route, rowRoute } from '../model/route.ts';
import { type Row, routeOf } from '../sidebar/rows.ts';
import { isArrowChord, keyTargetOf, type PageAct, pageAct } from '../ui/shortcuts.ts';

interface ShortcutTargets {
  /** Returns the rows in list order. */
  readonly rows: () => readonly Row[];
  readonly route: Route | undefined;
  readonly pick: (route: Route) => void;
  readonly act: (act: PageAct) => void;
}

const LIST = '.session[tabindex="0"], .session';
const SHOWN = '.xterm-helper-textarea, .composer textarea, .page .hit, .page input, .page a, .page button';

export function useShortcuts(keys: ShortcutTargets): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      // A dialog lies above the page, and has its own keys.
      if (event.defaultPrevented || document.querySelector('dialog[open]') !== null) return;
      const act = pageAct(event, keyTargetOf(event.target));
      if (act === undefined && !isArrowChord(event)) return;
      event.preventDefault();
      if (act === undefined) move(event.key, latest.current);
      else if (!event.repeat) latest.current.act(act);
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, []);
}

function move(key: string, { rows, route, pick }: ShortcutTargets): void {
  if (key === 'ArrowLeft') document.querySelector<HTMLElement>(LIST)?.focus();
  if (key === 'ArrowRight') document.querySelector<HTMLElement>(SHOWN)?.focus();
  if (key !== 'ArrowUp' && key !== 'ArrowDown') return;
  const all = rows().map(routeOf);
  const at = all.findIndex((row) => isSameRoute(row, rowRoute(route)));
  const next = all[key === 'ArrowUp' ? Math.max(0, at - 1) : at + 1];
  if (next !== undefined) pick(next);
}
