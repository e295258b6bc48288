// The keyboard shortcuts of the page, and which of them apply even in a terminal.

type Pressed = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey'>;

/** Matches Ctrl-Shift with an arrow: from row to row, and between the list and the pane. */
export const isArrowChord = (event: Pressed): boolean =>
  event.ctrlKey && event.shiftKey && !event.altKey && !event.metaKey && event.key.startsWith('Arrow');

/**
 * Matches the palette's keys, wherever the focus is: Ctrl-Shift-K, or Cmd-K. In a terminal Ctrl-K belongs to the shell;
 * elsewhere it opens the palette, too.
 */
export const isPaletteChord = (event: Pressed): boolean =>
  event.key.toLowerCase() === 'k' &&
  !event.altKey &&
  (event.metaKey ? !event.ctrlKey : event.ctrlKey && event.shiftKey);

const isPlainCtrlK = (event: Pressed): boolean =>
  event.key.toLowerCase() === 'k' && event.ctrlKey && !event.shiftKey && !event.altKey && !event.metaKey;

/** Matches keys that belong to the page, even in a terminal. */
export const isPageKey = (event: Pressed): boolean => isArrowChord(event) || isPaletteChord(event);

/** Element with the focus, which takes typed keys first. */
export type KeyTarget = 'terminal' | 'field' | 'page';

export function keyTargetOf(target: EventTarget | null): KeyTarget {
  if (!(target instanceof Element)) return 'page';
  if (target.closest('.xterm') !== null) return 'terminal';
  const isField = target.matches('input, textarea, select') || (target as HTMLElement).isContentEditable === true;
  return isField ? 'field' : 'page';
}

export type PageAct = 'palette' | 'keys' | 'filter';

/** Returns the action of a key; undefined for keys that are not the page's. */
export function pageAct(event: Pressed, place: KeyTarget): PageAct | undefined {
  if (isPaletteChord(event) || (place !== 'terminal' && isPlainCtrlK(event))) return 'palette';
  if (place !== 'page' || event.ctrlKey || event.metaKey || event.altKey) return undefined;
  if (event.key === '?') return 'keys';
  return event.key === '/' ? 'filter' : undefined;
}

/** Documentation of the shortcuts: each chord and its effect. `+` stands between keys, ` or ` between chords. */
export const SHORTCUTS: readonly { readonly where: string; readonly keys: readonly (readonly [string, string])[] }[] = [
  {
    where: 'Everywhere, in a terminal too',
    keys: [
      ['Ctrl+Shift+K or ⌘+K', 'Go to a session, a conversation or a page, or do something'],
      ['Ctrl+Shift+↑ or Ctrl+Shift+↓', 'The one before or after it in the list'],
      ['Ctrl+Shift+←', 'Into the list'],
      ['Ctrl+Shift+→', 'Into the terminal, the message or the page'],
    ],
  },
  {
    where: 'Outside of a terminal',
    keys: [
      ['Ctrl+K', 'The same as Ctrl+Shift+K; in a terminal it is the shell’s'],
      ['/', 'Filter the list'],
      ['?', 'These keys'],
    ],
  },
  {
    where: 'In the list',
    keys: [
      ['↑ or ↓', 'The row above or below'],
      ['Page Up or Page Down', 'Ten rows on'],
      ['Home or End', 'The first or the last row'],
      ['Enter', 'Open it'],
    ],
  },
  {
    where: 'In a terminal',
    keys: [
      ['Ctrl+Shift+C', 'Copy what is selected'],
      ['Ctrl+Shift+F or ⌘+F', 'Find in what was printed'],
      ['Alt+Page Up or Alt+Page Down', 'The command before or after'],
      ['Shift+Page Up or Shift+Page Down', 'Scroll through what was printed'],
    ],
  },
];
