import { expect, it } from 'vitest';
import { isPageKey, pageAct, SHORTCUTS } from './shortcuts.ts';

/** `Ctrl+Shift+K` as the browser tells of it. */
function press(chord: string): Parameters<typeof isPageKey>[0] {
  const parts = chord.split('+');
  const has = (name: string): boolean => parts.includes(name);
  const key = parts.at(-1) ?? '';
  return { key, ctrlKey: has('Ctrl'), shiftKey: has('Shift'), altKey: has('Alt'), metaKey: has('Meta') };
}

it('in a terminal the page has Ctrl-Shift-K, Cmd-K and Ctrl-Shift with an arrow, and no other key', () => {
  const pages = ['Ctrl+Shift+K', 'Ctrl+Shift+k', 'Meta+k', 'Ctrl+Shift+ArrowUp', 'Ctrl+Shift+ArrowLeft'];
  expect(pages.filter((chord) => !isPageKey(press(chord)))).toEqual([]);
  const programs = ['Ctrl+k', 'k', '/', '?', 'Ctrl+ArrowUp', 'Shift+ArrowUp', 'Alt+Ctrl+Shift+ArrowUp', 'Alt+Meta+k'];
  expect(programs.filter((chord) => isPageKey(press(chord)))).toEqual([]);
  expect(programs.filter((chord) => pageAct(press(chord), 'terminal') !== undefined)).toEqual([]);
  expect(pageAct(press('Ctrl+Shift+K'), 'terminal')).toBe('palette');
});

it('Ctrl-K opens the palette outside of a terminal; Ctrl-Cmd-K and Ctrl-Alt-K do not', () => {
  for (const place of ['field', 'page'] as const) {
    expect(pageAct(press('Ctrl+k'), place)).toBe('palette');
    expect(pageAct(press('Ctrl+Meta+k'), place)).toBeUndefined();
    expect(pageAct(press('Alt+Ctrl+k'), place)).toBeUndefined();
  }
});

it('a question mark and a slash are shortcuts outside of text fields, without a modifier key', () => {
  expect(pageAct(press('Shift+?'), 'page')).toBe('keys');
  expect(pageAct(press('/'), 'page')).toBe('filter');
  for (const place of ['terminal', 'field'] as const) {
    expect(pageAct(press('?'), place)).toBeUndefined();
    expect(pageAct(press('/'), place)).toBeUndefined();
  }
  expect(pageAct(press('Ctrl+/'), 'page')).toBeUndefined();
  expect(pageAct(press('Alt+/'), 'page')).toBeUndefined();
});

it('the listed keys of the palette are the working ones', () => {
  const chords = SHORTCUTS.flatMap(({ keys }) => keys).flatMap(([chord]) =>
    chord.replaceAll('⌘', 'Meta').split(' or '),
  );
  const palette = chords.filter((chord) => /\+K$/.test(chord));
  expect(palette).toEqual(['Ctrl+Shift+K', 'Meta+K', 'Ctrl+K']);
  expect(palette.map((chord) => pageAct(press(chord), 'page'))).toEqual(['palette', 'palette', 'palette']);
});
