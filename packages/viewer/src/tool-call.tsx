// One call of a tool as a row that opens: what went in, what came out, and which lines it changed.

import { visibleLine } from '@binnacle/client';
import type { ToolCall } from '@binnacle/protocol';
import { memo, useMemo, useState } from 'react';
import { inputText, statusWord, toolWord, visible } from './conversation-words.ts';
import { TerminalIcon, ToolIcon } from './icons.tsx';
import { type DiffRow, lineDiff } from './line-diff.ts';
import { CopyButton } from './prose.tsx';

interface ToolRowProps {
  readonly tool: ToolCall;
  /** Opens the view of a session; undefined where that session is not there (any more). */
  readonly onSession: ((id: string) => void) | undefined;
}

const STATUS_MARKS = { pending: 'starting', running: 'running', done: 'ended', failed: 'failed' } as const;
// A row of a thousand lines helps nobody; the file is one click further.
const MAX_ROWS = 400;

export const ToolRow = memo(function ToolRow({ tool, onSession }: ToolRowProps) {
  const [open, setOpen] = useState(false);
  const diffs = useMemo(
    () =>
      (tool.diffs ?? []).map((diff) => ({
        path: diff.path,
        isNew: diff.before === null,
        ...lineDiff(diff.before, diff.after),
      })),
    [tool.diffs],
  );
  const added = diffs.reduce((sum, diff) => sum + diff.added, 0);
  const removed = diffs.reduce((sum, diff) => sum + diff.removed, 0);
  return (
    <div className={`tool ${tool.status}`} data-testid="tool" data-tool={tool.id} data-status={tool.status}>
      <div className="tool-head">
        <button
          type="button"
          className="tool-open"
          aria-expanded={open}
          onClick={() => setOpen((before) => !before)}
          data-testid="tool-open"
        >
          <ToolIcon kind={tool.kind} />
          <span className="tool-kind">{toolWord(tool)}</span>
          <span className="tool-title">{visibleLine(tool.title)}</span>
          {diffs.length > 0 && (
            <span className="tool-count">
              <span className="plus">+{added}</span> <span className="minus">−{removed}</span>
              <span className="sr-only"> lines added and removed</span>
            </span>
          )}
          <span className="tool-status">
            <span className={`dot ${STATUS_MARKS[tool.status] ?? ''}`} />
            {statusWord(tool)}
          </span>
        </button>
        {tool.session !== undefined && (
          <button
            type="button"
            className="button tool-session"
            disabled={onSession === undefined}
            title={onSession === undefined ? 'That session is gone' : 'Open the agent’s terminal'}
            onClick={() => tool.session !== undefined && onSession?.(tool.session)}
            data-testid="tool-session"
          >
            <TerminalIcon /> <span>Terminal</span>
          </button>
        )}
      </div>
      {open && (
        <div className="tool-body" data-testid="tool-body">
          {tool.input !== undefined && <Part name="Input" text={inputText(tool.input)} />}
          {diffs.map((diff, at) => (
            <Diff
              // biome-ignore lint/suspicious/noArrayIndexKey: one file may be changed twice, and the order stays
              key={at}
              path={diff.path}
              isNew={diff.isNew}
              rows={diff.rows}
              added={diff.added}
              removed={diff.removed}
            />
          ))}
          {tool.output !== undefined && tool.output !== '' && <Part name="Output" text={visible(tool.output)} />}
          {tool.input === undefined && diffs.length === 0 && !tool.output && (
            <p className="tool-nothing">{tool.status === 'done' ? 'It told nothing more.' : 'Nothing yet.'}</p>
          )}
        </div>
      )}
    </div>
  );
});

function Part({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    <figure className="code">
      <figcaption>
        <span>{name}</span>
        <CopyButton text={text} what={name.toLowerCase()} />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>{text}</pre>
    </figure>
  );
}

const SIGNS = { same: ' ', added: '+', removed: '−' } as const;

interface DiffProps {
  readonly path: string;
  readonly isNew: boolean;
  readonly rows: readonly DiffRow[];
  readonly added: number;
  readonly removed: number;
}

function Diff({ path, isNew, rows, added, removed }: DiffProps) {
  return (
    <figure className="code diff" data-testid="diff">
      <figcaption>
        <span className="diff-path">{visibleLine(path)}</span>
        <span>
          {isNew ? 'new file, ' : ''}
          {added} added, {removed} removed
        </span>
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <div className="diff-lines" tabIndex={0}>
        {rows.slice(0, MAX_ROWS).map((row, at) =>
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
        {rows.length > MAX_ROWS && <div className="diff-skip">{rows.length - MAX_ROWS} more lines are not shown</div>}
      </div>
    </figure>
  );
}
