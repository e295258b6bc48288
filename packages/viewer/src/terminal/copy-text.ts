// What is copied from a terminal: lines as the program wrote them, however they were wrapped, and without what pads them.

import type { IBuffer, Terminal } from '@xterm/xterm';

/**
 * Spaces at the ends of lines are padding: programs fill their rows, and nobody pastes them on purpose. Line by line: a
 * pattern for the spaces would look at a long row of them once for each.
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

/** Rows `from` up to `to` of those that scroll, as lines. */
export function textOf(buffer: IBuffer, from = 0, to = buffer.length): string {
  const lines: string[] = [];
  for (let at = from; at < to; at += 1) {
    const row = buffer.getLine(at);
    if (row === undefined) break;
    // A row that goes on in the next one is full: its spaces are the text's.
    const text = row.translateToString(buffer.getLine(at + 1)?.isWrapped !== true);
    if (row.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
    else lines.push(text);
  }
  while (lines.length > 0 && lines.at(-1)?.trim() === '') lines.pop();
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}
