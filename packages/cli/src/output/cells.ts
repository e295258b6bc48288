// How many cells of a terminal a text takes, and cutting it to a width.

const NOTHING = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
/** Scripts and signs beyond Latin, Greek, Cyrillic and their neighbours that take one cell all the same. */
const NARROW = [
  [0x1e00, 0x20ff],
  [0x2100, 0x22ff],
  [0x2500, 0x25a0],
] as const;

/** Cuts text into what a person sees as one sign. */
export const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Cells of a terminal that a text takes, or more: terminals differ, and too few would break the picture. */
export function cellsOf(text: string): number {
  let cells = 0;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x300) cells += 1;
    else if (NOTHING.test(char)) cells += code === 0xfe0f ? 1 : 0;
    else if (code < 0x1100 || NARROW.some(([from, to]) => code >= from && code <= to)) cells += 1;
    else cells += 2;
  }
  return cells;
}

/** Cuts a text to the width of one row, with an ellipsis where something is cut off. */
export function cutTo(text: string, width: number): string {
  if (cellsOf(text) <= width) return text;
  let kept = '';
  for (const { segment } of segmenter.segment(text)) {
    if (cellsOf(kept + segment) >= width) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** A line in rows, cut wherever one is full: every character of it is in one of them. At least one row. */
export function hardRows(line: string, width: number): string[] {
  const rows: string[] = [];
  let row = '';
  let cells = 0;
  for (const { segment } of segmenter.segment(line)) {
    // A single grapheme may be longer than a row.
    for (const part of cellsOf(segment) > width ? segment : [segment]) {
      const more = cellsOf(part);
      if (row !== '' && cells + more > width) {
        rows.push(row);
        row = '';
        cells = 0;
      }
      row += part;
      cells += more;
    }
  }
  return [...rows, row];
}
