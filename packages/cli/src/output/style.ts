// Colours and tables for people.

import { withoutColours } from '@binnacle/protocol';
import { cellsOf, cutTo } from './cells.ts';

export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

/** Creates a style. Plain if the stream is not a terminal, or NO_COLOR is set (https://no-color.org). */
export function styleFor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Style {
  const plain = stream.isTTY !== true || (env.NO_COLOR !== undefined && env.NO_COLOR !== '') || env.TERM === 'dumb';
  const paint = (on: number, off: number) => (text: string) => (plain ? text : `\x1b[${on}m${text}\x1b[${off}m`);
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  };
}

/**
 * Characters that act, are invisible, or change the direction: controls, fillers, blank braille, notes without a head,
 * private-use characters.
 */
const UNSEEN = /(?!\ufe0f)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\ufffc\u{13441}\u{13442}\u{1d159}]/gu;
/** Variation selector for emoji colour without an emoji before it. */
const IDLE_COLOUR = /(?<![\p{Extended_Pictographic}0-9#*])\ufe0f/gu;
/**
 * Combining marks without a base letter, and more marks on a letter than any script has: they cover neighbouring lines.
 */
const LOOSE_MARKS = /(?<=^|[^\p{L}\p{M}\p{N}\p{S}])\p{M}+|(?<=\p{M}{4})\p{M}+/gu;
const BLANK = /^\p{Zs}+$/u;

/**
 * Sanitizes untrusted text for one line: no cursor movement, no imitation of another line, not blank, no covering of
 * neighbours. A `·` replaces each hidden character.
 *
 * @example printable('a\u202eb') // 'a·b'
 */
export function printable(text: string): string {
  if (/^[!-~](?:[ -~]*[!-~])?$/.test(text)) return text; // fast path for nearly all texts
  const seen = text.replace(UNSEEN, '·').replace(IDLE_COLOUR, '·').replace(LOOSE_MARKS, '·');
  return BLANK.test(seen) ? seen.replace(/\p{Zs}/gu, '·') : seen;
}

/** Sanitizes each line of an untrusted text. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

/** Returns the maximum cells of a line: unlimited in a pipe, because a program reads all of it. */
export const widthOf = ({ isTTY, columns }: { readonly isTTY?: boolean; readonly columns?: number }): number =>
  isTTY === true ? (columns ?? 120) : Number.POSITIVE_INFINITY;

/**
 * Formats columns by the widest cell, two spaces apart; the last column is truncated at `width` columns. A cell with
 * right-to-left letters is isolated, so that the other columns keep their places.
 */
export function table(rows: readonly (readonly string[])[], width: number): string {
  const columns = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const widths = Array.from({ length: columns }, (_, at) =>
    rows.reduce((most, row) => Math.max(most, cells(row[at] ?? '')), 0),
  );
  const lines = rows.map((row) => {
    const padded = row.slice(0, -1).map((cell, at) => isolated(cell) + ' '.repeat((widths[at] ?? 0) - cells(cell)));
    const used = widths.slice(0, -1).reduce((sum, cell) => sum + cell + 2, 0);
    return [...padded, isolated(cut(row.at(-1) ?? '', Math.max(12, width - used)))].join('  ').trimEnd();
  });
  return lines.map((line) => `${line}\n`).join('');
}

const cells = (text: string): number => cellsOf(withoutColours(text));
const cut = (text: string, width: number): string => (cells(text) <= width ? text : cutTo(text, width));

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** Wraps a cell in a first strong isolate and its end, both without a width. */
const isolated = (cell: string): string => (RIGHT_TO_LEFT.test(cell) ? `\u2068${cell}\u2069` : cell);
