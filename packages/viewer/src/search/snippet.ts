// Cuts the snippet of a hit at its matches. Pure.

/** A piece of a text that was cut at its matches, in order; overlapping and impossible ranges do no harm. */
export interface SnippetPart {
  readonly text: string;
  readonly isMatch: boolean;
  /** Position of the piece in the text. */
  readonly at: number;
}

export function pieces(text: string, matches: readonly (readonly [number, number])[]): readonly SnippetPart[] {
  const found: SnippetPart[] = [];
  let at = 0;
  const add = (to: number, isMatch: boolean): void => {
    if (to > at) found.push({ text: text.slice(at, to), isMatch, at });
    at = Math.max(at, to);
  };
  for (const [from, to] of [...matches].sort((a, b) => a[0] - b[0])) {
    add(Math.min(Math.max(from, 0), text.length), false);
    add(Math.min(to, text.length), true);
  }
  add(text.length, false);
  return found;
}
