// A file that a tool changed, as added and removed lines. Large diffs are shown piece by piece.

import { visibleLine } from '@binnacle/client';
import { useState } from 'react';
import { visible } from './format.ts';
import type { DiffRow } from './line-diff.ts';
import './tool-diff.css';

/** Maximum rows per piece: a thousand lines at once help nobody; each piece is one click. */
const MAX_ROWS = 400;
const SIGNS = { same: ' ', added: '+', removed: '−' } as const;

interface DiffProps {
  readonly path: string;
  readonly isNew: boolean;
  readonly rows: readonly DiffRow[];
  readonly added: number;
  readonly removed: number;
}

export function Diff({ path, isNew, rows, added, removed }: DiffProps) {
  const [most, setMost] = useState(MAX_ROWS);
  return (
    <figure className="code diff" data-testid="diff">
      <figcaption>
        <span className="diff-path clip">{visibleLine(path)}</span>
        <span>
          {isNew ? 'new file, ' : ''}
          {added} added, {removed} removed
        </span>
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <div className="diff-lines" tabIndex={0}>
        {rows.slice(0, most).map((row, at) =>
          row.kind === 'skipped' ? (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows of one difference never move
            <div key={at} className="diff-skip">
              {row.count} unchanged {row.count === 1 ? 'line' : 'lines'}
            </div>
          ) : (
            // biome-ignore lint/suspicious/noArrayIndexKey: as above
            <div key={at} className={`diff-line ${row.kind}`}>
              <span className="diff-number" aria-hidden="true">
                {row.line}
              </span>
              <span className="diff-sign">
                <span aria-hidden="true">{SIGNS[row.kind]}</span>
                {row.kind !== 'same' && <span className="sr-only">{row.kind}: </span>}
              </span>
              <span className="diff-text">{visible(row.text)}</span>
            </div>
          ),
        )}
      </div>
      {rows.length > most && (
        <button
          type="button"
          className="button quiet diff-more"
          onClick={() => setMost((before) => before + MAX_ROWS)}
          data-testid="diff-more"
        >
          Show {Math.min(MAX_ROWS, rows.length - most)} of {rows.length - most} more lines
        </button>
      )}
    </figure>
  );
}
