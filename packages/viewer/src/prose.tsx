// What somebody said: plain text with its line breaks, and code blocks. Never markup, never links.

import { memo, useEffect, useRef, useState } from 'react';
import { type Piece, splitFences } from './fences.ts';
import { CopyIcon, TickIcon } from './icons.tsx';

/** `live`: more of it comes. */
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
          <p key={at}>{bare(piece.text)}</p>
        ),
      )}
    </div>
  );
});

/** Empty lines at both ends are the distance to what is around, and that is there already. */
const bare = (text: string): string => text.replace(/^(?:[^\S\n]*\n)+/, '').trimEnd();

const CodeBlock = memo(
  function CodeBlock({ piece }: { readonly piece: Extract<Piece, { kind: 'code' }> }) {
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

// As long as somebody needs to see it.
const COPIED_MS = 1600;

export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle');
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = (): void => {
    copyText(text)
      .then(
        () => setState('copied'),
        () => setState('failed'),
      )
      .finally(() => {
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setState('idle'), COPIED_MS);
      });
  };
  const words = { idle: 'Copy', copied: 'Copied', failed: 'Not allowed' }[state];
  return (
    <button type="button" className="copy" onClick={copy} aria-label={`${words} ${what}`} data-testid="copy">
      {state === 'copied' ? <TickIcon /> : <CopyIcon />} {words}
    </button>
  );
}

/** The clipboard's own interface is there for https and this machine only; a gateway in the house is neither. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return await navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'sr-only';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('The browser does not let this page copy.');
}
