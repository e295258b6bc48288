// Finds the fenced code blocks in an agent's text; the rest is plain text. Pure.

export type FencePart =
  | { readonly kind: 'text'; readonly text: string }
  /** `open`: the closing fence is missing (so far). */
  | { readonly kind: 'code'; readonly language: string; readonly text: string; readonly open: boolean };

// Fence of CommonMark: three or more characters, at most three spaces before them; the info string after backticks
// contains no backtick.
const OPENING = /^ {0,3}(?:(`{3,})([^`]*)|(~{3,})(.*))$/;

/** Splits the text, in order. Only the fence lines are lost, and one line break on each side of them. */
export function splitFences(text: string): FencePart[] {
  const pieces: FencePart[] = [];
  let lines: string[] = [];
  let fence: { readonly mark: string; readonly language: string } | undefined;
  const endText = (): void => {
    if (lines.some((line) => line.trim() !== '')) pieces.push({ kind: 'text', text: lines.join('\n') });
    lines = [];
  };
  const endCode = (open: boolean): void => {
    pieces.push({ kind: 'code', language: fence?.language ?? '', text: lines.join('\n'), open });
    lines = [];
    fence = undefined;
  };
  for (const line of text.split(/\r?\n/)) {
    if (fence !== undefined) {
      if (closes(line, fence.mark)) endCode(false);
      else lines.push(line);
      continue;
    }
    const found = OPENING.exec(line);
    if (found === null) {
      lines.push(line);
      continue;
    }
    endText();
    fence = { mark: found[1] ?? found[3] ?? '```', language: languageOf(found[2] ?? found[4] ?? '') };
  }
  if (fence === undefined) endText();
  else endCode(true);
  return pieces;
}

function closes(line: string, mark: string): boolean {
  const bare = line.replace(/^ {0,3}/, '').trimEnd();
  return bare.length >= mark.length && bare === (mark[0] ?? '`').repeat(bare.length);
}

/** Returns the first word after the fence. */
const languageOf = (info: string): string => info.trim().split(/\s/)[0]?.slice(0, 40) ?? '';
