// Width of text in terminal cells, and truncation to a width.

const NOTHING = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
/** Ranges beyond Latin, Greek, Cyrillic and their neighbours whose characters take one cell. */
const NARROW = [
  [0x1e00, 0x20ff],
  [0x2100, 0x22ff],
  [0x2500, 0x25a0],
] as const;

/** Splits text into graphemes, the units that a person sees as one character. */
export const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Counts the cells of a text, rounded up: terminals differ, and too low a count would break the layout. */
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

/** Truncates a text to the width of one row, with an ellipsis. */
export function cutTo(text: string, width: number): string {
  if (cellsOf(text) <= width) return text;
  let cut = '';
  for (const { segment } of segmenter.segment(text)) {
    if (cellsOf(cut + segment) >= width) break;
    cut += segment;
  }
  return `${cut}…`;
}

/** Splits a line into full rows, without word wrap: every character is in exactly one row. Returns at least one row. */
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
