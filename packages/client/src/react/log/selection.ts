// The selection in a log of which only a part is in the document, as places in lines. Knows no React.

import { type LogLine, textOfLines } from './lines.ts';

export interface LinePosition {
  /** Number of the line. */
  readonly number: number;
  readonly column: number;
}

export interface LogSelection {
  readonly from: LinePosition;
  readonly to: LinePosition;
}

/** Undefined where nothing is selected, or not within `log`. */
export function selectedIn(log: HTMLElement): LogSelection | undefined {
  const selection = log.ownerDocument.getSelection();
  if (selection === null || selection.isCollapsed || selection.rangeCount === 0) return undefined;
  const range = selection.getRangeAt(0);
  const from = placeOf(log, range.startContainer, range.startOffset);
  const to = placeOf(log, range.endContainer, range.endOffset);
  return from === undefined || to === undefined ? undefined : { from, to };
}

function placeOf(log: HTMLElement, node: Node, offset: number): LinePosition | undefined {
  if (!log.contains(node)) return undefined;
  const element = node instanceof Element ? node : node.parentElement;
  const row = element?.closest('[data-line]');
  if (row == null) {
    // Between rows: the beginning of the one that comes, or the end of the last one.
    const next = node.childNodes[offset];
    const found =
      next instanceof Element ? (next.matches('[data-line]') ? next : next.querySelector('[data-line]')) : null;
    if (found !== null) return { number: numberOf(found), column: 0 };
    const last = [...log.querySelectorAll('[data-line]')].at(-1);
    return last === undefined ? undefined : { number: numberOf(last), column: Number.MAX_SAFE_INTEGER };
  }
  const text = row.querySelector('[data-text]');
  if (text === null) return { number: numberOf(row), column: 0 };
  const before = log.ownerDocument.createRange();
  before.setStart(text, 0);
  // Before the text of the line (its mark): its beginning.
  if (before.comparePoint(node, offset) < 0) return { number: numberOf(row), column: 0 };
  before.setEnd(node, offset);
  return { number: numberOf(row), column: before.toString().length };
}

const numberOf = (row: Element): number => Number(row.getAttribute('data-line'));

/** The text of what is selected, with the lines as the program wrote them and not as they are drawn. */
export function textIn(lines: readonly LogLine[], { from, to }: LogSelection): string {
  const first = lines[0]?.number ?? 0;
  const chosen = lines.slice(Math.max(0, from.number - first), Math.max(0, to.number - first + 1));
  const cut = chosen.map((line) => {
    const start = line.number === from.number ? from.column : 0;
    const end = line.number === to.number ? to.column : line.text.length;
    return { ...line, text: line.text.slice(start, end) };
  });
  const text = textOfLines(cut);
  // A selection that ends within a line has no line feed at its end.
  return chosen.at(-1)?.number === to.number && text.endsWith('\n') ? text.slice(0, -1) : text;
}
