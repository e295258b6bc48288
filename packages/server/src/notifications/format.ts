// What a person reads who is hailed: a name, and why. Everything in it came from programs, so nothing in it acts or hides.

import type { Wait } from './waits.ts';

export interface HailText {
  readonly title: string;
  readonly body: string;
}

/** What fits on a lock screen. */
const MAX_TITLE = 80;
const MAX_BODY = 180;

const WHY = {
  waiting_approval: 'Waits for your approval',
  waiting_input: 'Waits for your input',
  silent: 'Has said nothing for a while',
  done: 'Is done',
  failed: 'Has failed',
  stopped: 'Was stopped',
} as const;

/** `details`: with the words of the program, where what is in between may not read them it is left out. */
export function hailText({ state, title, text }: Wait, details: boolean): HailText {
  const name = cut(title, MAX_TITLE) || 'Binnacle';
  const said = details && text !== null ? cut(text, MAX_BODY - WHY[state].length) : '';
  return { title: name, body: said === '' ? WHY[state] : `${WHY[state]}: ${said}` };
}

/** Where its page is, behind the address of the page. */
export const hailPath = ({ kind, key }: Pick<Wait, 'kind' | 'key'>): string =>
  kind === 'session' ? `#/${key}` : `#/c/${encodeURIComponent(key)}`;

/** One line: no control characters, no directions, no characters without ink, no half of a pair. */
function cut(text: string, max: number): string {
  const line = text
    .slice(0, 4 * max)
    .toWellFormed()
    .replace(/[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\s]+/gu, ' ')
    .trim();
  const chars = [...line];
  return chars.length <= max ? line : `${chars.slice(0, max - 1).join('')}…`;
}
