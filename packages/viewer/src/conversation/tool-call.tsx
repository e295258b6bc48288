// A tool call as a row that opens: its input, its output, and the changed lines.

import { visibleLine } from '@binnacle/client';
import type { ToolCall } from '@binnacle/protocol';
import { memo, useMemo, useState } from 'react';
import { CopyButton } from '../ui/copy-button.tsx';
import { TerminalIcon, ToolIcon } from '../ui/icons.tsx';
import { LazyPart, useLazyPart } from '../ui/lazy-part.ts';
import { inputText, statusWord, toolWord, visible } from './format.ts';
import { lineDiff } from './line-diff.ts';
import { Diff } from './tool-diff.tsx';
import './tool-call.css';

// Loaded on demand, with all code for terminals: most conversations do without.
const terminal = new LazyPart(() => import('./tool-terminal.tsx').catch(() => ({ ToolTerminal: NoTerminal })));
const NoTerminal = () => (
  <p className="failure">The terminal could not be loaded. Open it on its own page, or reload this one.</p>
);

interface ToolRowProps {
  readonly tool: ToolCall;
  /** Opens the view of a session; undefined if that session does not exist (any more). */
  readonly onSession: ((id: string) => void) | undefined;
}

const STATUS_MARKS = { pending: 'starting', running: 'running', done: 'ended', failed: 'failed' } as const;
/** Maximum rows of a diff that is open at first; a larger one is folded. */
const SMALL_DIFF_ROWS = 24;

export const ToolRow = memo(function ToolRow({ tool, onSession }: ToolRowProps) {
  // Undefined: open or folded by default, according to the content.
  const [toggled, setToggled] = useState<boolean>();
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
  const rows = diffs.reduce((sum, diff) => sum + diff.rows.length, 0);
  const open = toggled ?? (rows > 0 && rows <= SMALL_DIFF_ROWS);
  return (
    <div className={`tool ${tool.status}`} data-testid="tool" data-tool={tool.id} data-status={tool.status}>
      <div className="tool-head">
        <button
          type="button"
          className="tool-open"
          aria-expanded={open}
          onClick={() => setToggled(!open)}
          data-testid="tool-open"
        >
          <ToolIcon kind={tool.kind} />
          <span className="tool-kind">{toolWord(tool)}</span>
          <span className="tool-title clip">{visibleLine(tool.title)}</span>
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
          {tool.session !== undefined && onSession !== undefined && <LiveTerminal session={tool.session} />}
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
          {tool.input === undefined && tool.session === undefined && diffs.length === 0 && !tool.output && (
            <p className="tool-nothing">{tool.status === 'done' ? 'It told nothing more.' : 'Nothing yet.'}</p>
          )}
        </div>
      )}
    </div>
  );
});

function LiveTerminal({ session }: { readonly session: string }) {
  const view = useLazyPart(terminal);
  if (view === undefined) return <div className="tool-terminal" aria-busy="true" />;
  return <view.ToolTerminal session={session} />;
}

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
