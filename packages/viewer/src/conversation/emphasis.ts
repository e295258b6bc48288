// What an agent's text makes stand out: headings, strong words, code in a line. All else is text as it stands: no links, no
// pictures, no markup. Pure; knows no React.

export type Span = { readonly kind: 'text' | 'strong' | 'code'; readonly text: string };

/** `level`: of a heading, 1 to 6; 0: a piece of text with its line breaks. */
export interface Block {
  readonly level: number;
  readonly spans: readonly Span[];
}

/** Longer texts nobody reads for their headings, and they are read anew with each word that comes. */
const MAX_CHARACTERS = 100_000;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(\S.*)$/;
// Neither goes over a line: a mark that stands alone is a mark.
const SPAN = /`([^`\n]+)`|\*\*([^*\s](?:[^*\n]*[^*\s])?)\*\*/g;

/** In order. Nothing is lost but the marks, and empty lines around headings. */
export function blocksOf(text: string): Block[] {
  if (text.length > MAX_CHARACTERS) return [{ level: 0, spans: [{ kind: 'text', text }] }];
  const blocks: Block[] = [];
  let lines: string[] = [];
  const endText = (): void => {
    const bare = lines
      .join('\n')
      .replace(/^(?:[^\S\n]*\n)+/, '')
      .trimEnd();
    if (bare !== '') blocks.push({ level: 0, spans: spansOf(bare) });
    lines = [];
  };
  for (const line of text.split('\n')) {
    const found = HEADING.exec(line);
    if (found === null) {
      lines.push(line);
      continue;
    }
    endText();
    blocks.push({ level: found[1]?.length ?? 1, spans: spansOf((found[2] ?? '').replace(/[ \t]+#+[ \t]*$/, '')) });
  }
  endText();
  return blocks;
}

function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  let from = 0;
  for (const found of text.matchAll(SPAN)) {
    if (found.index > from) spans.push({ kind: 'text', text: text.slice(from, found.index) });
    spans.push(found[1] === undefined ? { kind: 'strong', text: found[2] ?? '' } : { kind: 'code', text: found[1] });
    from = found.index + found[0].length;
  }
  if (from < text.length) spans.push({ kind: 'text', text: text.slice(from) });
  return spans;
}
