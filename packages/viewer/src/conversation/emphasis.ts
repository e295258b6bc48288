// Emphasis in an agent's text: headings, bold, and inline code. The rest is plain text: no links, no pictures, no
// markup. Pure.

export type Span = { readonly kind: 'text' | 'strong' | 'code'; readonly text: string };

/** `level`: level of a heading, 1 to 6; 0: a piece of text with its line breaks. */
export interface Block {
  readonly level: number;
  readonly spans: readonly Span[];
}

/**
 * Maximum characters to format: nobody reads longer texts for their headings, and the text is parsed again with each
 * streamed word.
 */
const MAX_CHARACTERS = 100_000;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(\S.*)$/;
// Neither goes over a line: an unpaired mark stays a character.
const SPAN = /`([^`\n]+)`|\*\*([^*\s](?:[^*\n]*[^*\s])?)\*\*/g;

/** Splits the text into blocks, in order. Only the marks are lost, and empty lines around headings. */
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
