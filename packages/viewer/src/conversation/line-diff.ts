// A line diff of two texts, with some context. Pure.

export type DiffRow =
  | { readonly kind: 'same' | 'added' | 'removed'; readonly line: number; readonly text: string }
  /** Number of unchanged lines that are left out. */
  | { readonly kind: 'skipped'; readonly count: number };

export interface LineDiff {
  readonly rows: readonly DiffRow[];
  readonly added: number;
  readonly removed: number;
}

/** Unchanged lines shown on each side of a change. */
const CONTEXT = 3;
// Maximum cells of the comparison table, which takes some milliseconds; beyond this the whole middle counts as
// replaced, which is correct as well.
const MAX_CELLS = 1_000_000;

/**
 * Compares two texts. `before` null: the file is new. `line` of a removed row counts in `before`, otherwise in `after`,
 * from 1.
 */
export function lineDiff(before: string | null, after: string): LineDiff {
  const old = before === null ? [] : linesOf(before);
  const now = linesOf(after);
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(old.length, now.length) - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const rows: DiffRow[] = [];
  for (let i = 0; i < head; i += 1) rows.push({ kind: 'same', line: i + 1, text: now[i] ?? '' });
  // Pushed one by one: a call cannot take as many arguments as a file has lines.
  for (const row of middle(old.slice(head, old.length - tail), now.slice(head, now.length - tail), head))
    rows.push(row);
  for (let i = now.length - tail; i < now.length; i += 1) rows.push({ kind: 'same', line: i + 1, text: now[i] ?? '' });
  return {
    rows: shorten(rows),
    added: rows.filter((row) => row.kind === 'added').length,
    removed: rows.filter((row) => row.kind === 'removed').length,
  };
}

/** Splits a text into lines. The line break at the end of a file ends its last line, and begins no other. */
function linesOf(text: string): string[] {
  if (text === '') return [];
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function middle(old: readonly string[], now: readonly string[], offset: number): DiffRow[] {
  const width = now.length + 1;
  // Length of the longest common subsequence of the rest, from each position in both.
  const isSmall = (old.length + 1) * width <= MAX_CELLS;
  const rest = new Uint32Array(isSmall ? (old.length + 1) * width : 0);
  const at = (i: number, j: number): number => rest[i * width + j] ?? 0;
  if (isSmall) {
    for (let i = old.length - 1; i >= 0; i -= 1) {
      for (let j = now.length - 1; j >= 0; j -= 1) {
        rest[i * width + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
      }
    }
  }
  const rows: DiffRow[] = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (isSmall && i < old.length && j < now.length && old[i] === now[j]) {
      rows.push({ kind: 'same', line: offset + j + 1, text: now[j] ?? '' });
      i += 1;
      j += 1;
    } else if (i < old.length && (j >= now.length || at(i + 1, j) >= at(i, j + 1))) {
      rows.push({ kind: 'removed', line: offset + i + 1, text: old[i] ?? '' });
      i += 1;
    } else {
      rows.push({ kind: 'added', line: offset + j + 1, text: now[j] ?? '' });
      j += 1;
    }
  }
  return rows;
}

function shorten(rows: readonly DiffRow[]): DiffRow[] {
  const near = rows.map(() => false);
  rows.forEach((row, at) => {
    if (row.kind !== 'same') near.fill(true, Math.max(0, at - CONTEXT), at + CONTEXT + 1);
  });
  const short: DiffRow[] = [];
  let skipped = 0;
  const skip = (): void => {
    if (skipped > 0) short.push({ kind: 'skipped', count: skipped });
    skipped = 0;
  };
  rows.forEach((row, at) => {
    if (near[at] !== true) {
      skipped += 1;
      return;
    }
    skip();
    short.push(row);
  });
  skip();
  return short;
}
