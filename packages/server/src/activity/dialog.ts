// Detects a dialog at the end of a screen in which an agent asks for permission: options below each other, one of them
// selected, with a question above; or in one row. Works on text alone: colours, which some agents select with, are not
// used.

import { EscapeParser } from '@binnacle/protocol';
import { safeLine } from './marks.ts';

export interface Dialog {
  /** Question, made safe to show. */
  readonly question: string;
}

/** Maximum rows with text that are searched, from the last one. */
const LAST_ROWS = 24;
/** Maximum rows with text between the question and the first option. */
const ABOVE = 10;
/** Maximum rows of options, including their continuation rows. */
const MOST_OPTION_ROWS = 14;
/** Frames around dialogs, bars beside them, and scroll bars. */
const FRAME = /^[\s│┃║▌▐|╭╮╰╯┌┐└┘├┤─━═╌┄▀▄█▎△]+|[\s│┃║▌▐|╭╮╰╯┌┐└┘├┤─━═╌┄▀▄█▎]+$/g;
const SELECTED = /^[❯›>●▶▸➤→](?:\uFE0E)?\s+/;
const OPTION = /^(?:[❯›>●▶▸➤→○](?:\uFE0E)?\s+)?(?:\[?\d{1,2}[.)\]]\s+)?(.+)$/;
const NUMBERED = /^(?:[❯›>●▶▸➤→○](?:\uFE0E)?\s+)?\d{1,2}[.)]\s+/;
const YES = /^(?:yes|allow|approve|accept|always allow|proceed|run|apply|continue)\b/i;
const NO = /^(?:no|reject|deny|decline|cancel|abort|don['’]t)\b/i;
/** Options side by side, as in OpenCode. */
const IN_A_ROW = /^(?:allow|approve|yes)\b.*\s{2,}(?:reject|deny|no|cancel)\b/i;
const ASKS = /\?\s*$|\bpermission\b|\brequire(?:s|d)\b.*\bapproval\b|\baction required\b/i;
/** Text below the options: key names, or a status. */
const HINT =
  /\b(?:esc(?:ape)?|enter|tab|ctrl|shift|select|confirm|cancel|navigate|amend|explain|waiting|commands)\b|↑|↓/i;

/**
 * Returns the dialog at the end of a screen; undefined without one.
 * @param rows of the screen, from the top, without colours
 */
export function dialogOf(rows: readonly string[]): Dialog | undefined {
  const last = rows
    .map((row) => row.replace(FRAME, '').trim())
    .filter((row) => row !== '')
    .slice(-LAST_ROWS);
  for (let at = last.length - 1; at >= 0; at -= 1) {
    const row = last[at] as string;
    if (IN_A_ROW.test(row)) return dialogAt(last, at, at);
    if (isNo(row)) return ofOptions(last, at);
    // Only hints may follow the options: otherwise it is text about a dialog.
    if (!HINT.test(row) && !NUMBERED.test(row)) return undefined;
  }
  return undefined;
}

const textOf = (row: string): string => OPTION.exec(row)?.[1] ?? row;
const isYes = (row: string): boolean => YES.test(textOf(row));
const isNo = (row: string): boolean => NO.test(textOf(row));

/** `end`: the option that refuses. The other options are above or below it. */
function ofOptions(rows: readonly string[], end: number): Dialog | undefined {
  let first = -1;
  let isSelected = false;
  for (let at = end; at >= 0 && at > end - MOST_OPTION_ROWS; at -= 1) {
    const row = rows[at] as string;
    if (ASKS.test(row) && !NUMBERED.test(row)) break;
    if (isYes(row) || isNo(row)) first = at;
    if (SELECTED.test(row)) isSelected = true;
  }
  const options = rows.slice(first, end + 1);
  // Sentences begin with these words, too: options have numbers, or keys are named below.
  const isMenu = options.some((row) => NUMBERED.test(row)) || rows.slice(end + 1).some((row) => HINT.test(row));
  if (first < 0 || !isSelected || !isMenu || !options.some(isYes)) return undefined;
  return dialogAt(rows, first, end);
}

function dialogAt(rows: readonly string[], first: number, end: number): Dialog | undefined {
  const question = rows.slice(Math.max(0, first - ABOVE), first).findLast((row) => ASKS.test(row));
  // Options in one row differ from other text only by the keys beside them.
  if (question === undefined || (first === end && !HINT.test(rows.slice(end).join(' ')))) return undefined;
  return { question: safeLine(question) };
}

/** Words of which one is in every such dialog. */
const DIALOG_WORD = /\b(?:allow|yes|approve|proceed|permission|reject|deny)\b/i;

/** Tells whether output may have drawn a dialog. Other output alone is no reason to draw the screen. */
export function hintsAtDialog(written: Uint8Array): boolean {
  const parts: string[] = [];
  const add = (bytes: Uint8Array, from: number, to: number): void => {
    parts.push(Buffer.from(bytes.subarray(from, to)).toString());
  };
  new EscapeParser({ text: add, string: add }, { c1: 'none' }).push(written);
  return DIALOG_WORD.test(parts.join(' '));
}
