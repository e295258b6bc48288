// What a tool call shows a person, as text. Knows no agent.

import type { ToolCall } from '@binnacle/protocol';

/** A difference as text: the file, what goes, what comes. */
export const changeText = ({ path, before, after }: Change): string =>
  [path, ...lines('-', before ?? ''), ...lines('+', after)].join('\n');
export type Change = NonNullable<ToolCall['diffs']>[number];

const lines = (sign: string, text: string): string[] =>
  text === ''
    ? []
    : text
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => `${sign} ${line}`);

/** As a shell takes it for one word. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** At most `max` UTF-16 units, never half a character. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  const end = last >= 0xd800 && last < 0xdc00 ? max - 1 : max;
  return `${text.slice(0, end)}…`;
}
