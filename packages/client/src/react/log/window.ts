// Which lines of a long log are in the document. Pure.

export interface LineWindow {
  /** Index of the first rendered line, and behind the last one. */
  readonly from: number;
  readonly to: number;
}

/** Lines rendered before and behind the visible ones, so that a turn of the wheel shows no hole. */
const BEYOND = 30;
/** Maximum lines in the document. Selected ones stay there, or the selection is lost; a whole log is too much. */
const MAX_RENDERED = 1500;

/** `pinned`: indices of the lines that a selection begins and ends in. */
export function windowOf(
  count: number,
  seen: { readonly top: number; readonly height: number; readonly line: number },
  pinned: LineWindow | undefined,
): LineWindow {
  const line = Math.max(1, seen.line);
  const first = Math.floor(seen.top / line);
  const last = Math.ceil((seen.top + seen.height) / line);
  const plain = bounded({ from: first - BEYOND, to: last + BEYOND }, count);
  if (pinned === undefined) return plain;
  const both = bounded({ from: Math.min(plain.from, pinned.from), to: Math.max(plain.to, pinned.to) }, count);
  return both.to - both.from > MAX_RENDERED ? plain : both;
}

const bounded = ({ from, to }: LineWindow, count: number): LineWindow => ({
  from: Math.max(0, Math.min(from, count)),
  to: Math.max(0, Math.min(to, count)),
});
