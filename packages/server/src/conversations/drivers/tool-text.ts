// Text of tool calls for people.

import type { ToolCall } from '@binnacle/protocol';

/** Formats a diff: the file, the removed lines, the added lines. */
export const changeText = ({ path, before, after }: FileDiff): string =>
  [path, ...lines('-', before ?? ''), ...lines('+', after)].join('\n');
export type FileDiff = NonNullable<ToolCall['diffs']>[number];

const lines = (sign: string, text: string): string[] =>
  text === ''
    ? []
    : text
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => `${sign} ${line}`);

/** Cuts a text to at most `max` UTF-16 units, without splitting a character. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  const end = last >= 0xd800 && last < 0xdc00 ? max - 1 : max;
  return `${text.slice(0, end)}…`;
}

/**
 * Maximum length, in UTF-16 units, of a title and of the label of an option. An option that a button cannot show whole is
 * not offered. The rest of a title is in the detail.
 */
export const MAX_LABEL = 400;

const MAX_ERROR_CHARS = 500;

/** Cuts the message of an error to at most 500 UTF-16 units. */
export const cutError = (message: string): string => cutText(message, MAX_ERROR_CHARS);

/** Joins the parts of a detail that are there. */
export const paragraphs = (...parts: readonly (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined && part !== '').join('\n\n');

/** Joins the texts of blocks. `other`: the text of a block without one. */
export const blockTexts = (blocks: readonly unknown[], other: (block: unknown) => string): string =>
  blocks
    .map((block) =>
      typeof block === 'object' && block !== null && 'text' in block && typeof block.text === 'string'
        ? block.text
        : other(block),
    )
    .join('\n');
