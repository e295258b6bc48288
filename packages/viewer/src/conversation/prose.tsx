// Text of an agent, with line breaks, headings, bold and code. Never markup, never links.

import { memo } from 'react';
import { CopyButton } from '../ui/copy-button.tsx';
import './prose.css';

/** Renders the text. `live`: the text is still growing. */
export const Prose = memo(function Prose({ text, live = false }: { readonly text: string; readonly live?: boolean }) {
  const pieces = splitFences(text);
  if (pieces.length === 0) return null;
  return (
    <div className={live ? 'prose live' : 'prose'}>
      {pieces.map((piece, at) =>
        piece.kind === 'code' ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: pieces only grow at the end while a text streams
          <CodeBlock key={at} piece={piece} />
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: as above
          <Text key={at} text={piece.text} />
        ),
      )}
    </div>
  );
});

/** Levels below the page's own headings. */
const HEADINGS = ['h3', 'h4', 'h5', 'h6'] as const;

const Text = memo(function Text({ text }: { readonly text: string }) {
  return blocksOf(text).map(({ level, spans }, at) => {
    const Block = level === 0 ? 'p' : (HEADINGS[level - 1] ?? 'h6');
    // biome-ignore lint/suspicious/noArrayIndexKey: as with pieces
    return <Block key={at}>{spans.map(renderSpan)}</Block>;
  });
});

function renderSpan({ kind, text }: Span, at: number) {
  if (kind === 'strong') return <strong key={at}>{text}</strong>;
  return kind === 'code' ? <code key={at}>{text}</code> : text;
}

const CodeBlock = memo(
  function CodeBlock({ piece }: { readonly piece: Extract<FencePart, { kind: 'code' }> }) {
    return (
      <figure className="code" data-testid="code">
        <figcaption>
          <span>{piece.language || 'text'}</span>
          <CopyButton text={piece.text} what="code" />
        </figcaption>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls sideways must be reachable by keyboard */}
        <pre tabIndex={0}>
          <code>{piece.text}</code>
        </pre>
      </figure>
    );
  },
  (a, b) => a.piece.text === b.piece.text && a.piece.language === b.piece.language,
);

/** A part of an agent's text: a fenced code block, or plain text. */
type FencePart =
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

/** A span of an agent's text: bold, inline code, or plain text. There are no links, no pictures, no markup. */
type Span = { readonly kind: 'text' | 'strong' | 'code'; readonly text: string };

/** `level`: level of a heading, 1 to 6; 0: a piece of text with its line breaks. */
interface Block {
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
