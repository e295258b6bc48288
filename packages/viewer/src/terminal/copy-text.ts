// Text for the clipboard: lines as the program wrote them, without terminal wraps and without padding.

import type { IBuffer, Terminal } from '@xterm/xterm';

/**
 * Removes spaces at the ends of lines: programs pad their rows, and nobody pastes padding on purpose. Works line by
 * line: a pattern for the spaces would be O(n²) on a long row of spaces.
 */
export const withoutPadding = (text: string): string =>
  text
    .split(/(\r?\n)/)
    .map((part) => (part.endsWith('\n') ? part : part.slice(0, endOf(part))))
    .join('');

function endOf(line: string): number {
  let end = line.length;
  while (end > 0 && PADDING.has(line[end - 1] ?? '')) end -= 1;
  return end;
}

const PADDING: ReadonlySet<string> = new Set([' ', '\t', '\u00a0']);

export const selectedText = (terminal: Terminal): string => withoutPadding(terminal.getSelection());

/** Returns rows `from` up to `to` of the scrolling buffer as lines. */
export function textOf(buffer: IBuffer, from = 0, to = buffer.length): string {
  const lines: string[] = [];
  for (let at = from; at < to; at += 1) {
    const row = buffer.getLine(at);
    if (row === undefined) break;
    // A row that continues in the next one is full: its spaces belong to the text.
    const text = row.translateToString(buffer.getLine(at + 1)?.isWrapped !== true);
    if (row.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
    else lines.push(text);
  }
  while (lines.length > 0 && lines.at(-1)?.trim() === '') lines.pop();
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}
