// Text of an agent, with line breaks, headings, bold and code. Never markup, never links.

import { memo } from 'react';
import { CopyButton } from '../ui/copy-button.tsx';
import { type FencePart, splitFences } from './code-fences.ts';
import { blocksOf, type Span } from './emphasis.ts';
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
