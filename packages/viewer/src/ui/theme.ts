// Dark or light, and other settings of this browser: their storage, and the terminal's colours.

import type { ITheme } from '@xterm/xterm';
import { useCallback, useEffect, useState } from 'react';

export type Theme = 'dark' | 'light';

const KEY = 'binnacle.theme';
const darkness = (): MediaQueryList => window.matchMedia('(prefers-color-scheme: dark)');

function chosen(): Theme | undefined {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === 'dark' || stored === 'light' ? stored : undefined;
  } catch {
    return undefined; // storage may be forbidden: the system's theme applies
  }
}

function keep(theme: Theme | undefined): void {
  try {
    if (theme === undefined) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden: the choice lasts as long as the page.
  }
}

/** Returns the current theme and a switch. Follows the system until the switch overrides it. */
export function useTheme(): readonly [Theme, () => void] {
  const [choice, setChoice] = useState(chosen);
  const [system, setSystem] = useState<Theme>(() => (darkness().matches ? 'dark' : 'light'));
  useEffect(() => {
    const query = darkness();
    const changed = (): void => setSystem(query.matches ? 'dark' : 'light');
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);
  const theme = choice ?? system;
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  const toggle = useCallback(() => {
    const next: Theme = theme === 'dark' ? 'light' : 'dark';
    // A switch back to the system's theme follows the system again.
    const choose = next === system ? undefined : next;
    keep(choose);
    setChoice(choose);
  }, [theme, system]);
  return [theme, toggle];
}

/** Returns an on-off setting that this browser stores. Off by default. */
export function useSetting(key: string): readonly [boolean, (on: boolean) => void] {
  const [on, setOn] = useState(() => {
    try {
      return localStorage.getItem(key) === 'on';
    } catch {
      return false; // storage may be forbidden
    }
  });
  const set = useCallback(
    (next: boolean) => {
      try {
        localStorage.setItem(key, next ? 'on' : 'off');
      } catch {
        // Storage may be forbidden: the setting lasts as long as the page.
      }
      setOn(next);
    },
    [key],
  );
  return [on, set];
}

/** The ruler beside the scrollbar has no visible line. */
const NO_LINE = '#00000000';
const DARK: ITheme = {
  overviewRulerBorder: NO_LINE,
  background: '#0a131f',
  foreground: '#dbe4ec',
  cursor: '#e0b860',
  cursorAccent: '#0a131f',
  selectionBackground: '#2b4a6f99',
  black: '#1b2a3c',
  red: '#e5786d',
  green: '#7fbf8f',
  yellow: '#dcb35c',
  blue: '#6ea4dc',
  magenta: '#b790d4',
  cyan: '#63bcc0',
  white: '#c6d2dd',
  brightBlack: '#62768c',
  brightRed: '#f2968c',
  brightGreen: '#a0d8ad',
  brightYellow: '#f0cd80',
  brightBlue: '#94c0ee',
  brightMagenta: '#d0aee8',
  brightCyan: '#8ad8da',
  brightWhite: '#f3f7fa',
};

const LIGHT: ITheme = {
  overviewRulerBorder: NO_LINE,
  background: '#fdfbf6',
  foreground: '#1b2b40',
  cursor: '#8f6a17',
  cursorAccent: '#fdfbf6',
  selectionBackground: '#c9d8ea',
  black: '#1b2b40',
  red: '#b23a31',
  green: '#2f7a45',
  yellow: '#8a6412',
  blue: '#22619f',
  magenta: '#7d4a9c',
  cyan: '#17757b',
  white: '#e6e0d3',
  brightBlack: '#6a7788',
  brightRed: '#c9493f',
  brightGreen: '#3a8a52',
  brightYellow: '#9a7218',
  brightBlue: '#2f72b4',
  brightMagenta: '#8f5bb0',
  brightCyan: '#22858b',
  brightWhite: '#fbf8f1',
};

// Without its own colour the ruler beside the terminal has a bright border.
export const terminalColours = (theme: Theme): ITheme => ({
  ...(theme === 'dark' ? DARK : LIGHT),
  overviewRulerBorder: '#00000000',
});
